"""Waits for the end of a job that somebody else has submitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowException

from e2e3d.client.models import Job
from e2e3d.client.watching import failure_of
from e2e3d.errors import E2E3DError
from e2e3d_provider.failures import failure
from e2e3d_provider.hooks import E2E3DHook
from e2e3d_provider.triggers import AWAY_S, E2E3DJobTrigger


class E2E3DJobSensor(BaseSensorOperator):
    """Succeeds when the job has; fails with the job's own code when it fails or is cancelled. Never cancels it.

    Args:
        job_id: which job.
        conn_id: of the connection.
        deferrable: follow the job's events in the triggerer; False asks again and again from a worker.
        away_s: how long the service may be away.
        arguments: as of every sensor, such as `timeout`.
    """

    template_fields: Sequence[str] = ("job_id", "conn_id")
    ui_color = "#d7e8f2"

    def __init__(
        self,
        *,
        job_id: str,
        conn_id: str = E2E3DHook.default_conn_name,
        deferrable: bool = True,
        away_s: float = AWAY_S,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.job_id = job_id
        self.conn_id = conn_id
        self.deferrable = deferrable
        self.away_s = away_s

    def execute(self, context: Context) -> Any:
        """Wait: deferred where the job has not ended yet."""
        if self.deferrable and not self.poke(context):
            trigger = E2E3DJobTrigger(self.job_id, self.conn_id, self.away_s)
            self.defer(trigger=trigger, method_name="job_ended", timeout=self.timeout)
        return None if self.deferrable else super().execute(context)

    def poke(self, context: Context) -> bool:
        """Whether the job has succeeded; raises when it has ended otherwise."""
        job = self._job()
        if job.ended and job.state != "succeeded":
            raise failure(self.job_id, failure_of(job))
        return job.ended

    def job_ended(self, context: Context, event: Mapping[str, Any]) -> None:
        """Called by Airflow when the trigger has seen the end of the job, or gave up."""
        if not self.poke(context):
            raise AirflowException(f"Nobody could follow the job {self.job_id}: {event.get('error')}.")

    def _job(self) -> Job:
        try:
            with E2E3DHook(self.conn_id).get_conn() as client:
                return client.job(self.job_id)
        except E2E3DError as error:
            raise failure(self.job_id, error) from error
