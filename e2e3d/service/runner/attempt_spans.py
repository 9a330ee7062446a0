"""The spans of an attempt of a job, below the request that submitted it: how long it waited, and the attempt itself."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator

from opentelemetry.trace import Span, Status, StatusCode

from e2e3d.errors import E2E3DError
from e2e3d.runtime.tracing import span, tracer
from e2e3d.service.database.table_base import now
from e2e3d.service.jobs.lifecycle import JobTransition
from e2e3d.service.jobs.records import Fence, JobRecord


@contextlib.contextmanager
def attempt_span(job: JobRecord, fence: Fence) -> Iterator[Span]:
    """Make a span around an attempt of a job; below that of the first, one of the time that the job was queued."""
    about: dict[str, str | int] = {
        "e2e3d.job": job.id,
        "e2e3d.user": job.user_id,
        "e2e3d.quality": job.quality,
        "e2e3d.attempt": fence.attempt,
        "e2e3d.interruptions": job.interruptions,
    }
    with span("job", job.trace_parent, attributes=about) as made:
        if fence.attempt == 1 and not job.interruptions:
            tracer().start_span("queue", start_time=_nanoseconds(job.queued_at)).end(_nanoseconds(now()))
        yield made


def end_attempt_span(made: Span, transition: JobTransition, error: E2E3DError | None) -> None:
    """Say how the attempt ended."""
    made.set_attribute("e2e3d.outcome", transition.value)
    if error is not None:
        made.set_attribute("e2e3d.error_code", error.code)
        made.set_status(Status(StatusCode.ERROR, error.message))


def _nanoseconds(moment: datetime.datetime) -> int:
    return int(moment.timestamp() * 1e9)
