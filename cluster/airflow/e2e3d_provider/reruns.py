"""Which jobs are run again, and how."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from e2e3d.client.models import Job
from e2e3d_provider.hooks import E2E3DHook

_PAGE = 200


def jobs_to_rerun(
    before: datetime.datetime,
    hours: float,
    text: str,
    quality: str,
    settings: Mapping[str, Any],
    conn_id: str = E2E3DHook.default_conn_name,
) -> list[dict[str, Any]]:
    """Arguments of :class:`~e2e3d_provider.operators.E2E3DRerunOperator` for each job.

    Args:
        before: only jobs that were submitted earlier, and no more than `hours` earlier.
        hours: see `before`.
        text: a part of their names, or empty.
        quality: what they are run with; jobs that have it and `settings` already are left out, and so are image sets
            that have such a job.
        settings: further changes.
        conn_id: of the connection.
    """
    found: list[Job] = []
    cursor = None
    with E2E3DHook(conn_id).get_conn() as client:
        while True:
            since = before - datetime.timedelta(hours=hours)
            page = client.list_jobs(
                "succeeded", _PAGE, cursor, text or None, created_after=since, created_before=before
            )
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
    done = {job.image_set_id for job in found if _is_as(job, quality, settings)}
    newest = {job.image_set_id: job for job in reversed(found) if job.image_set_id not in done}
    changes = {"quality": quality, "settings": dict(settings)}
    return [
        {"name": f"{job.name} {quality}".strip()[:200], "job_id": job.id, "changes": changes} for job in newest.values()
    ]


def _is_as(job: Job, quality: str, settings: Mapping[str, Any]) -> bool:
    return job.quality == quality and all(job.settings.get(name) == value for name, value in settings.items())
