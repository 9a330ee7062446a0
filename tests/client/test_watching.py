"""Following a job where no event stream comes through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from e2e3d.client.credentials import CredentialsFile
from e2e3d.client.errors import UnreachableError
from e2e3d.client.flow import Emit, Open, Pause, Read, Send
from e2e3d.client.session import Session
from e2e3d.client.watching import watch
from e2e3d.client.wire import Reply


def job_reply(state: str, progress: float) -> Reply:
    document: dict[str, Any] = dict.fromkeys(
        ("image_set_id", "retry_of", "webhook_url", "eta_low_s", "eta_high_s", "place_in_queue", "forecast", "error",
         "started_at", "finished_at", "expires_at")
    )  # fmt: skip
    document |= {"id": "j", "name": "", "state": state, "quality": "low", "settings": {}, "options": {}, "outputs": []}
    document |= {"priority": 0, "attempt": 1, "stage": "depth", "units_done": 1, "units_total": 2, "progress": progress}
    document |= {
        "cancel_requested": False,
        "interruptions": 0,
        "judgement": None,
        "result_bytes": 0,
        "created_at": "2026-01-01T00:00:00Z",
    }
    return Reply(200, {}, json.dumps(document).encode())


def followed(tmp_path: Path, stream: Reply | Exception, jobs: list[Reply]) -> list[tuple[str, float | None]]:
    """What is emitted where every stream is `stream` and says nothing."""
    flow = watch(Session("http://x", "key", credentials=CredentialsFile(tmp_path / "c.json")), "j")
    told: list[tuple[str, float | None]] = []
    answer: Any = None
    try:
        while True:
            command = flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer)
            answer = None
            if isinstance(command, Emit):
                told.append((command.value.type, command.value.data.get("progress")))
            elif isinstance(command, Open):
                answer = Reply(200, {}) if isinstance(stream, Exception) else stream
            elif isinstance(command, Read):
                answer = stream if isinstance(stream, Exception) else b""
            elif isinstance(command, Send):
                answer = jobs.pop(0)
            else:
                assert isinstance(command, Pause)
    except StopIteration:
        return told


PROGRESS = [("job.progress", 0.1), ("job.progress", 0.6), ("job.succeeded", None)]


def jobs() -> list[Reply]:
    return [job_reply("running", 0.1), job_reply("running", 0.1), job_reply("running", 0.6), job_reply("succeeded", 1)]


def test_a_service_without_streams_is_asked_instead(tmp_path: Path) -> None:
    assert followed(tmp_path, Reply(404, {}), jobs()) == PROGRESS


def test_streams_that_hold_everything_back_do_not_hide_the_end(tmp_path: Path) -> None:
    assert followed(tmp_path, UnreachableError("timed out", sent=True), jobs()) == PROGRESS


def test_a_job_that_ended_before_is_told_once(tmp_path: Path) -> None:
    assert followed(tmp_path, Reply(204, {}), [job_reply("succeeded", 1)]) == [("job.succeeded", None)]


def test_a_restart_of_the_service_is_waited_for(tmp_path: Path) -> None:
    away = Reply(404, {"content-type": "text/plain"}, b"Path '/v1/jobs/j' not found.")
    with_restart = jobs()
    with_restart[1:1] = [away, away]
    assert followed(tmp_path, away, with_restart) == PROGRESS
