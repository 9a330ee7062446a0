"""Jobs: forecast, submitted, listed, looked at, cancelled, run again, deleted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response, status

from e2e3d.config.workload import TYPICAL_MEGAPIXELS
from e2e3d.service.administration import audit
from e2e3d.service.database.table_base import now
from e2e3d.service.http.paging import Cursor, Limit, NameContains, page_of, plain, position_of
from e2e3d.service.http.problems import ProblemError, missing, problem_responses
from e2e3d.service.http.timestamps import Moment
from e2e3d.service.http.user_threads import in_user_threads
from e2e3d.service.http.wire import Page
from e2e3d.service.jobs import fair_queue
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.lifecycle import ACTIVE, State
from e2e3d.service.jobs.records import JobFilter, JobRecord
from e2e3d.service.jobs.submission import Photographs, forecast, photographs_of_set, reused_passes, submit
from e2e3d.service.jobs.wire import (
    ForecastRequest,
    ForecastView,
    JobDetail,
    JobOptions,
    JobRequest,
    JobView,
    LogView,
    RerunRequest,
    StateName,
    job_detail,
    job_view,
    log_view,
)
from e2e3d.service.retention import queries as retention
from e2e3d.service.services import Services
from e2e3d.service.sign_in.dependencies import DeferredReader, Reader, ServicesOf, Writer

router = APIRouter(prefix="/v1", tags=["jobs"], responses=problem_responses(401, 403, 422, 503))

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same key with the same request never makes a second job.",
    ),
]
_MAX_ID = 2**63 - 1


@router.post("/forecasts", summary="What would a job cost?", responses=problem_responses(404))
def make_forecast(body: ForecastRequest, caller: Reader, services: ServicesOf) -> ForecastView:
    """Time, memory and disk that a job would take, from rates and from the jobs that ran here before."""
    photographs = photographs_of_set(services, caller, body.image_set_id)
    return ForecastView(**forecast(services, caller, body, photographs, 0))


@router.post(
    "/jobs", summary="Submit a job", status_code=status.HTTP_201_CREATED, responses=problem_responses(404, 413, 429)
)
@in_user_threads
def submit_job(
    body: JobRequest, caller: Writer, services: ServicesOf, response: Response, key: IdempotencyKey = None
) -> JobView:
    """Queue a job on the photographs that the image set has now. Settings are checked before it is queued."""
    photographs = photographs_of_set(services, caller, body.image_set_id)
    job, replayed = submit(services, caller, body, photographs, key)
    return _made(services, job, replayed, response)


@router.get("/jobs", summary="List jobs")
def list_jobs(
    caller: Reader,
    services: ServicesOf,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Annotated[list[StateName] | None, Query(description="May be repeated.")] = None,
    image_set_id: Annotated[str | None, Query(max_length=36)] = None,
    created_after: Moment | None = None,
    created_before: Moment | None = None,
    text: NameContains = None,
) -> Page[JobView]:
    """Your jobs, newest first."""
    wanted = JobFilter(
        states=tuple(state or ()),
        image_set_id=plain(image_set_id),
        created_after=created_after,
        created_before=created_before,
        text=plain(text),
    )
    with services.database.reading() as session:
        found = jobs.listed(session, caller.id, wanted, limit + 1, position_of(cursor))
        page, following = page_of(found, limit, lambda job: (job.created_at, job.id))
    return Page(items=tuple(job_view(job) for job in page), next_cursor=following)


@router.get("/jobs/{job_id}", summary="Look at a job", response_model=JobDetail, responses=problem_responses(404))
def get_job(job_id: str, caller: DeferredReader) -> Response:
    """State, stage, units, progress, remaining time, place in the queue, and what the stages took."""
    with caller.services.database.quick_reading() as connection:
        job = jobs.find(connection, caller.reader(connection).id, job_id)
        if job is None:
            raise missing("job")
        detail = job_detail(job, fair_queue.place(connection, job), jobs.stages(connection, job.id))
    # Clients ask this most often; a finished answer saves FastAPI's second validation and another thread.
    return Response(detail.model_dump_json(), media_type="application/json")


@router.get("/jobs/{job_id}/log", summary="Read the log of a job", responses=problem_responses(404))
def get_log(
    job_id: str,
    caller: Reader,
    services: ServicesOf,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    after: Annotated[int, Query(ge=0, le=_MAX_ID, description="The id of the last line that you have.")] = 0,
) -> Page[LogView]:
    """Lines of the log, oldest first; `next_cursor` is the `after` of the next page."""
    with services.database.reading() as session:
        if jobs.find(session, caller.id, job_id) is None:
            raise missing("job")
        lines = jobs.log_lines(session, job_id, limit + 1, after)
    following = str(lines[limit - 1].id) if len(lines) > limit else None
    return Page(items=tuple(log_view(line) for line in lines[:limit]), next_cursor=following)


@router.post("/jobs/{job_id}/cancel", summary="Cancel a job", responses=problem_responses(404))
def cancel_job(job_id: str, caller: Writer, services: ServicesOf) -> JobView:
    """A queued job is cancelled at once, a running one within seconds.

    It is `cancelled` when all its work has really stopped; until then `cancel_requested` is true. What was finished is
    kept, and its results can be fetched.
    """
    with services.database.session() as session:
        audit.record(session, caller.actor, "job.cancel", "job", job_id)
        job = jobs.request_cancel(session, caller.id, job_id, now())
        if job is None:
            raise missing("job")
    services.notifier.notify(caller.id)
    return job_view(job)


@router.post(
    "/jobs/{job_id}/retry",
    summary="Try a failed or cancelled job again",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(404, 409, 429),
)
@in_user_threads
def retry_job(
    job_id: str, caller: Writer, services: ServicesOf, response: Response, key: IdempotencyKey = None
) -> JobView:
    """A new job with the same photographs and settings; what was finished is not computed again."""
    job, photographs = _earlier(services, caller.id, job_id)
    if job.state in ACTIVE:
        raise ProblemError(
            409, "job-active", f"The job is {job.state}.", "Wait until it has ended, or cancel it first."
        )
    if job.state == State.SUCCEEDED:
        hint = "Rerun it, maybe with other settings: what is finished is not computed again."
        raise ProblemError(409, "job-succeeded", "The job succeeded, so there is nothing to retry.", hint)
    made, replayed = submit(services, caller, _request_of(job), photographs, key, retry_of=job.id)
    return _made(services, made, replayed, response)


@router.post(
    "/jobs/{job_id}/rerun",
    summary="Run a job again with other settings",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(404, 429),
)
@in_user_threads
def rerun_job(
    job_id: str,
    body: RerunRequest,
    caller: Writer,
    services: ServicesOf,
    response: Response,
    key: IdempotencyKey = None,
) -> JobView:
    """A new job with the same photographs, settings and options, but for what is given here.

    What the changes do not concern is reused, not computed again.
    """
    job, photographs = _earlier(services, caller.id, job_id)
    request = _changed(_request_of(job), body)
    made, replayed = submit(services, caller, request, photographs, key, retry_of=job.id)
    return _made(services, made, replayed, response)


@router.post(
    "/jobs/{job_id}/rerun-forecast", summary="What would running again cost?", responses=problem_responses(404)
)
def forecast_rerun(job_id: str, body: RerunRequest, caller: Reader, services: ServicesOf) -> ForecastView:
    """What a rerun with these changes would take; `reused` names what of the job's results is used again."""
    job, photographs = _earlier(services, caller.id, job_id)
    with services.database.reading() as session:
        done = {stage.stage for stage in jobs.stages(session, job_id)}
    request = _changed(_request_of(job), body)
    reused = reused_passes(job, done, request, photographs.megapixels)
    return ForecastView(**forecast(services, caller, request, photographs, request.priority, reused))


@router.delete(
    "/jobs/{job_id}",
    summary="Delete a job",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(404, 409),
)
def delete_job(job_id: str, caller: Writer, services: ServicesOf) -> None:
    """Delete a job that has ended, with its results, and with every artifact that no other job uses."""
    with services.database.session() as session:
        audit.record(session, caller.actor, "job.delete", "job", job_id)
        job = jobs.find(session, caller.id, job_id)
        if job is None:
            raise missing("job")
        if job.state in ACTIVE:
            raise ProblemError(409, "job-active", f"The job is {job.state}.", "Cancel it, and wait until it has ended.")
        retention.forget_results(session, job_id)
        jobs.delete_ended(session, caller.id, job_id, now())
    services.files.delete_folder(f"results/{job_id}")  # what is left when this fails, the collector removes
    services.notifier.notify(caller.id)


def _made(services: Services, job: JobRecord, replayed: bool, response: Response) -> JobView:
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    with services.database.reading() as session:
        return job_view(job, fair_queue.place(session, job))


def _earlier(services: Services, user_id: str, job_id: str) -> tuple[JobRecord, Photographs]:
    with services.database.reading() as session:
        job = jobs.find(session, user_id, job_id)
        if job is None:
            raise missing("job")
        files = jobs.photographs(session, job_id)
    return job, Photographs(files, float(job.forecast.get("megapixels", TYPICAL_MEGAPIXELS)))


def _request_of(job: JobRecord) -> JobRequest:
    return JobRequest.model_construct(
        image_set_id=job.image_set_id,
        quality=job.quality,
        settings=dict(job.settings),
        name=job.name,
        options=JobOptions.of(job.options),
        outputs=list(job.outputs),
        priority=min(job.priority, 0),
        webhook_url=job.webhook_url,
    )


def _changed(request: JobRequest, changes: RerunRequest) -> JobRequest:
    """The request with what `changes` names; of settings and options too, only those that it names."""
    given = {name: value for name in RerunRequest.model_fields if (value := getattr(changes, name)) is not None}
    if changes.settings is not None:
        merged = request.settings | changes.settings
        given["settings"] = {name: value for name, value in merged.items() if value is not None}
    if changes.options is not None:
        named = {name: getattr(changes.options, name) for name in changes.options.model_fields_set}
        given["options"] = request.options.model_copy(update=named)
    return request.model_copy(update=given)
