"""Figures of the whole service, and the jobs of all users: for administrators."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from fastapi import APIRouter, Query

from e2e3d.service.administration import audit
from e2e3d.service.administration.state import last_backups
from e2e3d.service.database.table_base import now
from e2e3d.service.http.ids import ResourceId
from e2e3d.service.http.paging import Cursor, Limit, page_of, position_of
from e2e3d.service.http.problems import missing, problem_responses
from e2e3d.service.http.wire import Page
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.wire import JobView, StateName, job_view
from e2e3d.service.metrics.queries import collect
from e2e3d.service.overview import queries as overviews
from e2e3d.service.overview.wire import JobOfUser, Overview, UserUse
from e2e3d.service.sign_in.dependencies import Admin, ServicesOf

router = APIRouter(prefix="/v1/admin", tags=["Administration"], responses=problem_responses(401, 403, 422, 503))


@router.get("/overview", summary="The service in figures")
def get_overview(_admin: Admin, services: ServicesOf) -> Overview:
    """The queue, what is stored, who stores most, and how old the newest backup is."""
    with services.database.reading() as session:
        figures, backups = collect(session), last_backups(session)
        emails = overviews.emails_of(session, [each.user_id for each in figures.most])
    most = (UserUse(email=emails.get(each.user_id, ""), **dataclasses.asdict(each)) for each in figures.most)
    return Overview.from_record(figures, photograph_bytes=figures.blob_bytes, backups=backups, most=tuple(most))


@router.get("/jobs", summary="List the jobs of all users")
def list_jobs_of_all(
    _admin: Admin,
    services: ServicesOf,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Annotated[list[StateName] | None, Query(description="May be repeated.")] = None,
    user_id: Annotated[str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9-]+$")] = None,
) -> Page[JobOfUser]:
    """All jobs that are not deleted, the newest first."""
    with services.database.reading() as session:
        found = overviews.jobs_of_all(session, state or (), user_id, limit + 1, position_of(cursor))
    page, following = page_of(found, limit, lambda each: (each[0].created_at, each[0].id))
    items = (JobOfUser(user_id=job.user_id, email=email, job=job_view(job)) for job, email in page)
    return Page(items=tuple(items), next_cursor=following)


@router.post("/jobs/{job_id}/cancel", summary="Cancel a job of any user", responses=problem_responses(404))
def cancel_job_of_any(job_id: ResourceId, admin: Admin, services: ServicesOf) -> JobView:
    """Cancel a job, as its user could; what was finished is kept."""
    with services.database.session() as session:
        known = jobs.by_id(session, job_id)
        job = None if known is None else jobs.request_cancel(session, known.user_id, job_id, now())
        if job is None:
            raise missing("job")
        audit.record(session, admin.actor, "job.cancel", "job", job_id, user_id=job.user_id)
    services.notifier.notify(job.user_id)
    return job_view(job)
