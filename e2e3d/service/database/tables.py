"""All tables of the service; the migrations make exactly these."""

from e2e3d.service.accounts.tables import ApiKeyRow, AuditRow, LoginAttemptRow, RefreshTokenRow, UserRow
from e2e3d.service.administration.tables import ServiceStateRow
from e2e3d.service.database.table_base import Base, new_id, now
from e2e3d.service.image_sets.tables import BlobRow, ImageSetRow, PhotoRow, UploadRow
from e2e3d.service.jobs.tables import (
    IdempotencyKeyRow,
    JobArtifactRow,
    JobInputRow,
    JobLogRow,
    JobRow,
    JobStageRow,
    ResultRow,
    StageTimeRow,
)
from e2e3d.service.webhooks.tables import EventRow, WebhookDeliveryRow, WebhookRow

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
