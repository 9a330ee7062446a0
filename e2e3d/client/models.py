"""What the service answers with, as frozen records. Members that a newer service adds are ignored."""

from __future__ import annotations

import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

Item = TypeVar("Item")
ENDED = ("succeeded", "failed", "cancelled")


class Record(BaseModel):
    """Base of all records."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)  # a command needs only some of them


class Page(Record, Generic[Item]):
    """A part of a list; ask with `cursor=next_cursor` for the next one, None on the last."""

    items: tuple[Item, ...]
    next_cursor: str | None = None


class ImageSet(Record):
    """A named set of photographs; `photo_count` counts those that jobs can use."""

    id: str
    name: str
    photo_count: int
    bytes: int
    created_at: datetime.datetime
    updated_at: datetime.datetime


class Finding(Record):
    """What the service found wrong with a photograph; `fatal` ones keep it out of jobs."""

    code: str
    message: str
    fatal: bool


class Photo(Record):
    """A photograph of an image set; `state` is ``ok``, ``warning`` or ``rejected``."""

    id: str
    name: str
    sha256: str
    bytes: int
    width_px: int | None
    height_px: int | None
    media_type: str
    state: str
    findings: tuple[Finding, ...] = ()
    created_at: datetime.datetime


class Arrival(Record):
    """What became of a file that was sent: ``added``, ``known``, ``rejected``, ``ignored`` or ``importing``."""

    name: str
    outcome: str
    photo: Photo | None = None
    findings: tuple[Finding, ...] = ()
    upload_id: str | None = None


class Problem(Record):
    """Why something failed, and what to do about it."""

    code: str
    detail: str
    action: str = ""


class Upload(Record):
    """What arrives bit by bit; `state` is ``open``, ``importing``, ``done`` or ``failed``."""

    id: str
    image_set_id: str
    kind: str
    name: str
    state: str
    size_bytes: int | None
    offset_bytes: int
    files_done: int
    files_total: int | None
    added: int
    known: int
    rejected: int
    ignored: int
    remarks: tuple[Arrival, ...] = ()
    error: Problem | None = None
    expires_at: datetime.datetime | None = None
    created_at: datetime.datetime
    updated_at: datetime.datetime | None = None


class PresignedPart(Record):
    """PUT the bytes of part `number` to `url`, and keep the ETag of the answer."""

    number: int
    url: str


class PresignedParts(Record):
    """Addresses to send parts to, good for `expires_in_s` seconds."""

    parts: tuple[PresignedPart, ...]
    expires_in_s: int


class PresignedUpload(PresignedParts):
    """An upload straight to S3; all of its `part_count` parts but the last have `part_bytes`."""

    upload: Upload
    part_bytes: int
    part_count: int


class UploadReport(Record):
    """What became of photographs that were sent.

    Attributes:
        image_set: as it is now.
        added: photographs that are new in the set; `known` were in it already.
        rejected: are of no use; `ignored` are no photographs.
        bytes_sent: went over the network; the rest was in the service already.
        remarks: what the service says about single files.
    """

    image_set: ImageSet
    added: int
    known: int
    rejected: int
    ignored: int
    bytes_sent: int
    remarks: tuple[Arrival, ...]


class Forecast(Record):
    """What a job will probably cost: wall seconds as a range, memory, and disk."""

    seconds_low: float
    seconds_high: float
    memory_bytes: int
    disk_bytes: int
    photos: int
    megapixels: float
    queued_ahead: int = 0


class JobError(Record):
    """Why a job failed."""

    code: str
    message: str
    action: str = ""


class Judgement(Record):
    """What the model of a job is worth.

    Attributes:
        verdict: ``good``, ``doubtful`` or ``failed``.
        reasons: for doubt, or why there is no model.
    """

    verdict: str
    reasons: tuple[JobError, ...] = ()


class Stage(Record):
    """What a stage of a job took."""

    attempt: int
    stage: str
    units: int
    reused_units: int
    elapsed_s: float
    cpu_s: float
    peak_bytes: int
    finished_at: datetime.datetime | None = None


class Job(Record):
    """A reconstruction.

    Attributes:
        state: ``queued``, ``running``, ``succeeded``, ``failed`` or ``cancelled``.
        stage: what is being computed: `units_done` of `units_total`; `progress` is that of the whole job, in [0, 1].
        eta_low_s: least, and `eta_high_s` most seconds that probably remain.
        place_in_queue: 1 for the job that comes next.
        interruptions: how often the service stopped or broke down while it was computed; not counted in `attempt`.
        judgement: what the model is worth, once the job has succeeded or failed.
        stages: what each stage took; only in the answer of :meth:`Client.job`.
    """

    id: str
    image_set_id: str | None
    name: str
    state: str
    quality: str
    settings: dict[str, Any]
    options: dict[str, Any]
    outputs: tuple[str, ...]
    priority: int
    attempt: int
    interruptions: int = 0
    retry_of: str | None
    webhook_url: str | None
    stage: str | None
    units_done: int
    units_total: int
    progress: float
    eta_low_s: float | None
    eta_high_s: float | None
    place_in_queue: int | None
    cancel_requested: bool
    forecast: Forecast | None
    error: JobError | None
    judgement: Judgement | None = None
    result_bytes: int
    created_at: datetime.datetime
    started_at: datetime.datetime | None
    finished_at: datetime.datetime | None
    expires_at: datetime.datetime | None
    stages: tuple[Stage, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED

    @property
    def doubtful(self) -> bool:
        """Whether there is a model that signs speak against."""
        return self.judgement is not None and self.judgement.verdict == "doubtful"


class LogLine(Record):
    """A line of a job's log."""

    id: int
    at: datetime.datetime
    level: str
    message: str


class Event(Record):
    """Something that happened.

    Attributes:
        id: to go on from; None for what the client found by asking instead of being told.
        type: such as ``job.progress`` or ``job.succeeded``.
        data: what it says: of progress the stage, its units, `progress` and the ETA.
    """

    id: int | None
    type: str
    job_id: str | None
    data: dict[str, Any]

    @property
    def ends_job(self) -> bool:
        """Whether it announces the end of a job."""
        return self.type.removeprefix("job.") in (*ENDED, "deleted")


class Result(Record):
    """A file that a job has made; `path` is where it lies in the result folder."""

    path: str
    media_type: str
    bytes: int
    sha256: str
    created_at: datetime.datetime | None = None


class Link(Record):
    """An address that downloads the result `path` without a token."""

    path: str
    url: str


class Links(Record):
    """Addresses of results; whoever has one can download the file until it expires."""

    items: tuple[Link, ...]
    expires_at: datetime.datetime


class Webhook(Record):
    """An address that is told of your jobs; no `event_types` means all."""

    id: str
    url: str
    event_types: tuple[str, ...]
    enabled: bool
    created_at: datetime.datetime
    previous_secret_until: datetime.datetime | None = None


class NewWebhook(Record):
    """A webhook and its secret, which is shown this once."""

    webhook: Webhook
    secret: str


class Delivery(Record):
    """One message for one webhook; `state` is ``pending``, ``delivered`` or ``failed``."""

    id: str
    webhook_id: str | None
    job_id: str | None
    message_id: str
    event_type: str
    url: str
    state: str
    attempts: int
    status_code: int | None
    response: str | None
    payload: dict[str, Any]
    next_attempt_at: datetime.datetime | None = None
    created_at: datetime.datetime
    delivered_at: datetime.datetime | None = None


class Part(Record):
    """One of the things that the service needs; `status` is ``ok`` or ``failed``."""

    status: str
    detail: str | None = None


class Readiness(Record):
    """Whether the service can do its work: `status` is ``ok`` or ``failed``, as is that of each part.

    `parts` is None for those who may not know.
    """

    status: str
    parts: dict[str, Part] | None = None
