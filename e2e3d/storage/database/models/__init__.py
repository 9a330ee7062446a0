"""All tables of the service; the migrations make exactly these."""

from e2e3d.storage.database.models.accounts import ApiKeyRow, AuditRow, LoginAttemptRow, RefreshTokenRow, UserRow
from e2e3d.storage.database.models.base import Base, new_id, now
from e2e3d.storage.database.models.inputs import BlobRow, ImageSetRow, PhotoRow, UploadRow
from e2e3d.storage.database.models.jobs import (
    IdempotencyKeyRow,
    JobArtifactRow,
    JobInputRow,
    JobLogRow,
    JobRow,
    JobStageRow,
    ResultRow,
    StageTimeRow,
)
from e2e3d.storage.database.models.notices import EventRow, WebhookDeliveryRow, WebhookRow
from e2e3d.storage.database.models.state import ServiceStateRow

__all__ = [
    "ApiKeyRow",
    "AuditRow",
    "Base",
    "BlobRow",
    "EventRow",
    "IdempotencyKeyRow",
    "ImageSetRow",
    "JobArtifactRow",
    "JobInputRow",
    "JobLogRow",
    "JobRow",
    "JobStageRow",
    "LoginAttemptRow",
    "PhotoRow",
    "RefreshTokenRow",
    "ResultRow",
    "ServiceStateRow",
    "StageTimeRow",
    "UploadRow",
    "UserRow",
    "WebhookDeliveryRow",
    "WebhookRow",
    "new_id",
    "now",
]
