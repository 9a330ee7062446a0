"""All tables of the service; the migrations make exactly these."""

from e2e3d.service.accounts.tables import ApiKeyRow, LoginAttemptRow, RefreshTokenRow, UserRow
from e2e3d.service.administration.audit_table import AuditRow
from e2e3d.service.administration.tables import ServiceStateRow
from e2e3d.service.annotations.tables import AnnotationRow
from e2e3d.service.database.table_base import Base, new_id, now
from e2e3d.service.events.tables import EventRow
from e2e3d.service.image_sets.tables import BlobRow, ImageSetRow, PhotoRow
from e2e3d.service.jobs.tables import (
    IdempotencyKeyRow,
    JobArtifactRow,
    JobInputRow,
    JobLogRow,
    JobRow,
    JobStageRow,
    StageTimeRow,
)
from e2e3d.service.open_id.tables import IdentityRow, UsedStateRow
from e2e3d.service.results.tables import ResultRow
from e2e3d.service.sharing.tables import ShareRow
from e2e3d.service.uploads.tables import UploadRow
from e2e3d.service.webhooks.tables import WebhookDeliveryRow, WebhookRow

__all__ = [
    "AnnotationRow",
    "ApiKeyRow",
    "AuditRow",
    "Base",
    "BlobRow",
    "EventRow",
    "IdempotencyKeyRow",
    "IdentityRow",
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
    "ShareRow",
    "StageTimeRow",
    "UploadRow",
    "UsedStateRow",
    "UserRow",
    "WebhookDeliveryRow",
    "WebhookRow",
    "new_id",
    "now",
]
