"""What a deferred task waits for, in Airflow's triggerer: the end of a job, the end of an import from S3."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from e2e3d.client.models import Event
from e2e3d.errors import E2E3DError
from e2e3d_provider.hooks import E2E3DHook

AWAY_S = 3600.0
_ASK_FIRST_S, _ASK_LONGEST_S = 1.0, 15.0
_KILL_PATIENCE_S = 10.0


class E2E3DJobTrigger(BaseTrigger):
    """Follows the events of a job until it has ended, through restarts of the service and of the triggerer.

    Its event has `state` (``succeeded``, ``failed``, ``cancelled`` or ``deleted``), or `error` where it gave up.

    Args:
        job_id: which job.
        conn_id: of the connection.
        away_s: how long the service may be away before the trigger gives up.
        cancels: whether the job is cancelled when somebody ends or clears the task that waits for it.
    """

    def __init__(self, job_id: str, conn_id: str, away_s: float = AWAY_S, cancels: bool = False) -> None:
        super().__init__()
        self.job_id = job_id
        self.conn_id = conn_id
        self.away_s = away_s
        self.cancels = cancels
        self._told = ""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How another triggerer makes the same trigger."""
        arguments = {name: getattr(self, name) for name in ("job_id", "conn_id", "away_s", "cancels")}
        return "e2e3d_provider.triggers.E2E3DJobTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event when the job has ended."""
        try:
            async with (
                await E2E3DHook(self.conn_id, self.away_s).get_async_conn() as client,
                aclosing(client.watch(self.job_id)) as events,
            ):
                async for event in events:
                    self._say(event)
                    if event.ends_job:
                        break
            yield TriggerEvent({"job_id": self.job_id, "state": event.type.removeprefix("job.")})
        except E2E3DError as error:
            yield TriggerEvent({"job_id": self.job_id, "error": _said(error)})

    async def on_kill(self) -> None:
        """Cancel the job whose task somebody has ended or cleared; a new try goes on from what it has finished."""
        if self.cancels:
            async with await E2E3DHook(self.conn_id, _KILL_PATIENCE_S).get_async_conn() as client:
                await client.cancel(self.job_id)
            self.log.info("job %s: cancelled, as its task was", self.job_id)

    def _say(self, event: Event) -> None:
        """A line of the task's log for every stage and change of state."""
        stage = event.data.get("stage")
        now = event.type.removeprefix("job.") if stage is None else f"{stage}"
        if now != self._told:
            self._told = now
            self.log.info("job %s: %s (%.0f %%)", self.job_id, now, 100 * float(event.data.get("progress") or 0.0))


class E2E3DImportTrigger(BaseTrigger):
    """Waits until the service has taken in the photographs below an S3 prefix.

    Args:
        upload_id: of the import.
        conn_id: of the connection.
        away_s: how long the service may be away before the trigger gives up.
    """

    def __init__(self, upload_id: str, conn_id: str, away_s: float = AWAY_S) -> None:
        super().__init__()
        self.upload_id = upload_id
        self.conn_id = conn_id
        self.away_s = away_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How another triggerer makes the same trigger."""
        arguments = {name: getattr(self, name) for name in ("upload_id", "conn_id", "away_s")}
        return "e2e3d_provider.triggers.E2E3DImportTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event when everything has been looked at, or with `error` where it could not go on."""
        pause_s = _ASK_FIRST_S
        try:
            async with await E2E3DHook(self.conn_id, self.away_s).get_async_conn() as client:
                while (upload := await client.upload_state(self.upload_id)).state not in ("done", "failed"):
                    self.log.info("%s: %d photographs are in", upload.name, upload.files_done)
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, _ASK_LONGEST_S)
            yield TriggerEvent({"upload_id": self.upload_id, "state": upload.state})
        except E2E3DError as error:
            yield TriggerEvent({"upload_id": self.upload_id, "error": _said(error)})


def _said(error: E2E3DError) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "hint": error.hint}
