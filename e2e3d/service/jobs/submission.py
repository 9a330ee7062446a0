"""From a request to a queued job: everything that can be wrong with it is said before it is queued."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import itertools
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from e2e3d.config.presets import configure
from e2e3d.config.workload import TYPICAL_MEGAPIXELS
from e2e3d.errors import InputError
from e2e3d.ops.photos.set_review import MIN_PHOTOGRAPHS
from e2e3d.pipeline import forecast as forecasts
from e2e3d.pipeline.sources.source_set import parse_intrinsics
from e2e3d.runtime.threads import core_count
from e2e3d.runtime.tracing import current_traceparent
from e2e3d.service.accounts import quotas as usage
from e2e3d.service.administration import audit
from e2e3d.service.database import Session
from e2e3d.service.database.table_base import now
from e2e3d.service.http.problems import ProblemError, missing
from e2e3d.service.image_sets import blob_queries as blobs
from e2e3d.service.image_sets import queries as image_sets
from e2e3d.service.intake.lost_photographs import lost_photographs, photographs_gone
from e2e3d.service.intake.photo_names import is_mask
from e2e3d.service.jobs import fair_queue, idempotency, stage_times
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.lifecycle import State
from e2e3d.service.jobs.records import JobRecord, NewJob
from e2e3d.service.jobs.wire import ForecastRequest, JobRequest
from e2e3d.service.services import Services
from e2e3d.service.sign_in.caller import Caller
from e2e3d.service.webhooks.addresses import AddressGuard, parse_networks


@dataclass(frozen=True)
class Photographs:
    """The photographs of a job: name and SHA-256 of each, and the megapixels of one."""

    files: tuple[tuple[str, str], ...]
    megapixels: float


def photographs_of_set(services: Services, caller: Caller, image_set_id: str) -> Photographs:
    """The photographs that an image set has now.

    Raises:
        ProblemError: ``image-set-missing`` (404).
        InputError: ``no-photographs``.
    """
    with services.database.reading() as session:
        if image_sets.find(session, caller.id, image_set_id) is None:
            raise missing("image set")
        files = stage_times.inputs_of(session, image_set_id)
        _, megapixels = stage_times.megapixels_of(session, image_set_id)
    if not files:
        raise InputError(
            "no-photographs", "The image set has no photographs that can be used.", "Add photographs to it first."
        )
    return Photographs(files, megapixels or TYPICAL_MEGAPIXELS)


def forecast(
    services: Services,
    caller: Caller,
    request: ForecastRequest,
    photographs: Photographs,
    priority: int,
    reused: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Check quality and settings, and say what the job would cost, and how many jobs would come before it.

    What `reused` names takes no time.

    Raises:
        SettingsError: ``unknown-quality``, ``unknown-setting``, ``bad-setting``.
    """
    with services.database.reading() as session:
        history = stage_times.history(session)
        ahead = fair_queue.jobs_ahead(session, caller.id, priority)
    count = len(photographs.files)
    config = configure(request.quality, request.settings)
    cost = forecasts.forecast(config, count, photographs.megapixels, history, core_count(), reused)
    return dataclasses.asdict(cost) | {
        "reused": reused,
        "photos": count,
        "megapixels": round(photographs.megapixels, 3),
        "queued_ahead": ahead,
    }


def reused_passes(earlier: JobRecord, done: Collection[str], request: JobRequest, photo_mp: float) -> tuple[str, ...]:
    """The passes of `request` that need not be computed, because `earlier`, which has ended the passes `done`, has.

    Raises:
        SettingsError: ``unknown-quality``, ``unknown-setting``, ``bad-setting``.
    """
    before, after = configure(earlier.quality, earlier.settings), configure(request.quality, request.settings)
    gone = earlier.expires_at is not None and earlier.expires_at <= now()
    if gone or request.options.run_options() != earlier.options:
        return ()
    unchanged = forecasts.unchanged_passes(before, after, photo_mp)
    if earlier.state == State.SUCCEEDED:
        return unchanged
    return tuple(itertools.takewhile(lambda name: name in done, unchanged))


def submit(
    services: Services,
    caller: Caller,
    request: JobRequest,
    photographs: Photographs,
    key: str | None = None,
    retry_of: str | None = None,
) -> tuple[JobRecord, bool]:
    """Queue a job.

    Args:
        services: of the application.
        caller: whose job it is.
        request: what is wanted.
        photographs: what it is made from.
        key: of ``Idempotency-Key``.
        retry_of: the job that it repeats.

    Returns:
        the job, and whether an earlier submission with the same key has made it.

    Raises:
        E2E3DError: whatever is wrong with the request.
    """
    _check(services, caller, request, photographs)
    expected = forecast(services, caller, request, photographs, request.priority)
    new = NewJob(
        user_id=caller.id,
        image_set_id=request.image_set_id,
        quality=request.quality,
        name=request.name,
        settings=request.settings,
        options=request.options.run_options(),
        outputs=tuple(request.outputs),
        priority=request.priority,
        webhook_url=request.webhook_url,
        retry_of=retry_of,
        forecast=expected,
        trace_parent=current_traceparent(),
    )
    at = now()
    gone = lost_photographs(services.database, services.files, photographs.files, at)
    with services.database.session() as session:
        if key is not None:
            made = idempotency.begin(session, caller.id, key, _fingerprint(request, retry_of), at)
            known = None if made is None else jobs.by_id(session, made)
            if known is not None:
                return known, True
        usage.require_job(session, caller.id)
        _require_room(session, services.settings.queue_jobs)
        _hold(session, photographs, gone, at)
        job = jobs.create(session, new, photographs.files, at)
        if key is not None:
            idempotency.complete(session, caller.id, key, job.id)
        audit.record(session, caller.actor, "job.submit", "job", job.id, quality=job.quality)
    services.notifier.notify(caller.id)
    return job, False


def _require_room(session: Session, most: int) -> None:
    """Refuse a job when too many wait; those that are submitted in the same moment may exceed the bound together."""
    if fair_queue.length(session) >= most:
        raise ProblemError(
            503,
            "queue-full",
            f"{most} jobs wait already, and the service takes no more for now.",
            "Submit the job again later; the photographs stay.",
            {"Retry-After": "60"},
        )


def _hold(session: Session, photographs: Photographs, gone: Sequence[str], at: datetime.datetime) -> None:
    """Keep the photographs' bytes from the collector until the job is there, which keeps them from then on.

    Raises:
        InputError: ``photographs-gone`` when `gone`, or what the collector took meanwhile, is not empty.
    """
    known = blobs.touch(session, {sha256 for _, sha256 in photographs.files}, at)
    gone = gone or [name for name, sha256 in photographs.files if sha256 not in known]
    if gone:
        raise photographs_gone(gone, len(photographs.files))


def _check(services: Services, caller: Caller, request: JobRequest, photographs: Photographs) -> None:
    count, quota = len(photographs.files), caller.user.quotas.photos
    _check_enough(photographs)
    if count > quota:
        raise InputError(
            "quota-photos",
            f"The job has {count} photographs, and your quota is {quota}.",
            "Use an image set with fewer photographs, or ask an administrator for a larger quota.",
        )
    if request.priority > 0 and caller.user.role != "admin":
        raise ProblemError(
            403, "priority-reserved", "Priorities above 0 are for administrators.", "Leave the priority out."
        )
    if request.options.intrinsics is not None:
        parse_intrinsics(request.options.intrinsics, "options.intrinsics")
    if request.options.known_distance is not None:
        distance = request.options.known_distance
        _check_names((distance.photo_a, distance.photo_b), [name for name, _ in photographs.files])
    if request.webhook_url is not None:
        AddressGuard(parse_networks(services.settings.webhook_allowed_networks)).check(request.webhook_url)


def _check_enough(photographs: Photographs) -> None:
    """Refuse at once what the engine would refuse after it has looked at the photographs again."""
    no_masks = [sha256 for name, sha256 in photographs.files if not is_mask(name)]
    count = len(set(no_masks or (sha256 for _, sha256 in photographs.files)))
    if count < MIN_PHOTOGRAPHS:
        raise InputError(
            "too-few-photographs",
            f"The image set has {count} photographs that can be used.",
            f"A model needs at least {MIN_PHOTOGRAPHS} photographs from different places; 20 to 60 are good.",
        )


def _check_names(wanted: Sequence[str], names: Sequence[str]) -> None:
    if wanted[0] == wanted[1]:
        raise InputError("bad-distance", "A distance needs two different photographs.", "Name two photographs.")
    for name in wanted:
        if name not in names:
            raise InputError(
                "bad-distance", f"The image set has no photograph {name!r}.", "Name photographs as the set lists them."
            )


def _fingerprint(request: JobRequest, retry_of: str | None) -> str:
    content = json.dumps([request.model_dump(mode="json"), retry_of], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
