"""Records of jobs: what was asked for, how far it is, and what it cost."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from e2e3d.config.run_options import NO_OPTIONS, RunOptions


@dataclass(frozen=True)
class NewJob:
    """What a user asks for.

    Attributes:
        settings: changes to the preset `quality` by dotted name.
        options: what is known of the photographs.
        outputs: groups of files that are kept; empty = the usual ones.
        retry_of: the job that this one repeats.
        trace_parent: the span of the request, as the W3C's ``traceparent``; None without traces.
    """

    user_id: str
    image_set_id: str | None
    quality: str
    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: RunOptions = NO_OPTIONS
    outputs: tuple[str, ...] = ()
    priority: int = 0
    webhook_url: str | None = None
    retry_of: str | None = None
    forecast: Mapping[str, Any] = field(default_factory=dict)
    trace_parent: str | None = None


@dataclass(frozen=True)
class JobRecord:
    """A job as the database has it.

    Attributes:
        attempt: how often it was begun; beginnings that ended through no fault of the job do not count.
        start_tag: its turn in the queue, smaller ones first.
        interruptions: how often its runner, Ray or machine went away under it.
        lease_owner: who works on it, until `lease_until` unless the lease is renewed.
        units_done: finished units of the running `stage`, of `units_total`; `progress` of the whole job, in [0, 1].
        eta_low_s: lower, and `eta_high_s` upper estimate of the remaining seconds.
        cancel_requested_at: when somebody asked to cancel a running job.
        retry_of: the job that this one repeats, perhaps with other settings.
        trace_parent: see :class:`NewJob`.
        judgement: of its model: ``verdict``, and ``reasons`` with ``code``, ``message``, ``action``.
    """

    id: str
    user_id: str
    image_set_id: str | None
    name: str
    state: str
    quality: str
    settings: Mapping[str, Any]
    options: RunOptions
    outputs: tuple[str, ...]
    priority: int
    start_tag: float
    attempt: int
    interruptions: int
    retry_of: str | None
    trace_parent: str | None
    webhook_url: str | None
    stage: str | None
    units_done: int
    units_total: int
    progress: float
    eta_low_s: float | None
    eta_high_s: float | None
    cancel_requested_at: datetime.datetime | None
    lease_owner: str | None
    lease_until: datetime.datetime | None
    forecast: Mapping[str, Any]
    error_code: str | None
    error_message: str | None
    error_hint: str | None
    judgement: Mapping[str, Any] | None
    created_at: datetime.datetime
    queued_at: datetime.datetime
    started_at: datetime.datetime | None
    finished_at: datetime.datetime | None
    updated_at: datetime.datetime
    expires_at: datetime.datetime | None
    result_bytes: int
    deleted_at: datetime.datetime | None


@dataclass(frozen=True)
class Fence:
    """The right to write to a running job: held by one claim, and lost with it."""

    job_id: str
    owner: str
    attempt: int


@dataclass(frozen=True)
class JobFilter:
    """Which jobs a list shows; `text` is looked for in names, without regard to case."""

    states: tuple[str, ...] = ()
    image_set_id: str | None = None
    created_after: datetime.datetime | None = None
    created_before: datetime.datetime | None = None
    text: str | None = None


@dataclass(frozen=True)
class ProgressUpdate:
    """How far a running job is; see :class:`JobRecord`."""

    stage: str
    units_done: int
    units_total: int
    progress: float | None
    eta_s: tuple[float, float] | None


@dataclass(frozen=True)
class NewResult:
    """A file that a job made: its path in the result folder, and the `key` under which the store has its bytes."""

    path: str
    media_type: str
    bytes: int
    sha256: str
    key: str


@dataclass(frozen=True)
class StageRecord:
    """What one pass of a stage took in one attempt."""

    attempt: int
    stage: str
    units: int
    reused_units: int
    elapsed_s: float
    cpu_s: float
    peak_bytes: int
    finished_at: datetime.datetime | None


@dataclass(frozen=True)
class LogLine:
    """A line of a job's log."""

    id: int
    at: datetime.datetime
    level: str
    message: str
