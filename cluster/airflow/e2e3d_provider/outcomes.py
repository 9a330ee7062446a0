"""What became of a task, as XComs and the last task of a batch tell it; in the words of a batch's ``results.jsonl``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2e3d.client.models import Job
from e2e3d.client.watching import failure_of
from e2e3d.errors import E2E3DError

OUTCOME = "outcome"
_SUCCEEDED = "succeeded"


def outcome_of(name: str, job: Job) -> dict[str, Any]:
    """Of a job that has ended."""
    outcome: dict[str, Any] = {"name": name, "state": job.state, "job_id": job.id, "image_set_id": job.image_set_id}
    if job.state != _SUCCEEDED:
        return outcome | _words(failure_of(job))
    judgement = job.judgement
    reasons = [] if judgement is None else [reason.message for reason in judgement.reasons]
    return outcome | {"judgement": "" if judgement is None else judgement.verdict, "reasons": reasons}


def failed_outcome(name: str, error: E2E3DError) -> dict[str, Any]:
    """Of a task that came to no end of a job."""
    return {"name": name, "state": "failed", **_words(error)}


def line(outcome: Mapping[str, Any]) -> str:
    """For people."""
    if outcome["state"] == _SUCCEEDED:
        doubts = f": {'; '.join(outcome['reasons'])}" if outcome["reasons"] else ""
        return f"{outcome['name']}: {outcome['judgement']}{doubts} (job {outcome['job_id']})"
    said = f"[{outcome['code']}] {outcome['message']} {outcome['hint']}".rstrip()
    return f"{outcome['name']}: {outcome['state']} {said}"


def unknown_outcome(name: str) -> dict[str, Any]:
    """Of a task that Airflow ended before it could say anything."""
    error = E2E3DError("task-ended", "Airflow ended the task before it had an outcome.", "See its log, and clear it.")
    return failed_outcome(name, error)


def _words(error: E2E3DError) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "hint": error.hint}
