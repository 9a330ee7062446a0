"""What the client answers with: the wire models of the service, frozen, and what the client makes of them."""

from __future__ import annotations

from typing import Any

from e2e3d.service.accounts.wire import ChangedUser
from e2e3d.service.accounts.wire import Me as Account
from e2e3d.service.accounts.wire import QuotasOut as Quotas
from e2e3d.service.accounts.wire import UserOut as User
from e2e3d.service.administration.wire import AuditOut as AuditEntry
from e2e3d.service.annotations.wire import Annotation
from e2e3d.service.health.wire import Part, Readiness
from e2e3d.service.http.wire import Page
from e2e3d.service.http.wire import ResponseModel as Record
from e2e3d.service.image_sets.wire import Arrival, Finding, ImageSet, Photo
from e2e3d.service.jobs.wire import ErrorView as JobError
from e2e3d.service.jobs.wire import ForecastView as Forecast
from e2e3d.service.jobs.wire import JobDetail
from e2e3d.service.jobs.wire import JudgementView as Judgement
from e2e3d.service.jobs.wire import LogView as LogLine
from e2e3d.service.jobs.wire import StageView as Stage
from e2e3d.service.overview.wire import JobOfUser, Overview
from e2e3d.service.results.wire import Link, Links, Result
from e2e3d.service.sharing.wire import Share
from e2e3d.service.sign_in.wire import ApiKeyOut as ApiKey
from e2e3d.service.sign_in.wire import LoginOut as Login
from e2e3d.service.sign_in.wire import MadeApiKey as NewApiKey
from e2e3d.service.uploads.wire import PresignedPart, PresignedParts, PresignedUpload, Upload
from e2e3d.service.uploads.wire import UploadProblem as Problem
from e2e3d.service.webhooks.wire import Delivery, Webhook
from e2e3d.service.webhooks.wire import WebhookWithSecret as NewWebhook

ENDED = ("succeeded", "failed", "cancelled")

__all__ = [
    "ENDED",
    "Account",
    "Annotation",
    "ApiKey",
    "Arrival",
    "AuditEntry",
    "ChangedUser",
    "Delivery",
    "Event",
    "Finding",
    "Forecast",
    "ImageSet",
    "Job",
    "JobError",
    "JobOfUser",
    "Judgement",
    "Link",
    "Links",
    "LogLine",
    "Login",
    "NewApiKey",
    "NewWebhook",
    "Overview",
    "Page",
    "Part",
    "Photo",
    "PresignedPart",
    "PresignedParts",
    "PresignedUpload",
    "Problem",
    "Quotas",
    "Readiness",
    "Record",
    "Result",
    "Share",
    "Stage",
    "Upload",
    "UploadReport",
    "User",
    "Webhook",
]


class Job(JobDetail):
    """A reconstruction; what its stages took is only in the answer of :meth:`Client.job`."""

    stages: tuple[Stage, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED

    @property
    def doubtful(self) -> bool:
        """Whether there is a model that signs speak against."""
        return self.judgement is not None and self.judgement.verdict == "doubtful"


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
