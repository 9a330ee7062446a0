"""Names that only one task of one DAG run has, however often Airflow tries it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from airflow.sdk import Context

from e2e3d.client import Client
from e2e3d.client.models import Job

_AGAIN = ("failed", "cancelled")


def task_token(context: Context) -> str:
    """12 hexadecimal digits: equal for every try of the same task, map index and DAG run."""
    ti = context["ti"]
    return _digest([ti.dag_id, ti.run_id, ti.task_id, ti.map_index])[:12]


def submission_key(context: Context, request: Mapping[str, Any]) -> str:
    """The ``Idempotency-Key`` of a submission; another request of the same task (new settings) has another one."""
    return f"airflow-{task_token(context)}-{_digest(request)[:24]}"


def latest_try(client: Client, job: Job, key: str) -> Job:
    """The newest job of a submission, which this makes where the one before has failed or was cancelled.

    Each job has one successor, by a key of its own: a task that died in between finds what it has made.
    """
    while job.state in _AGAIN:
        job = client.retry(job.id, idempotency_key=f"{key}-{job.id}")
    return job


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
