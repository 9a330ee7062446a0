"""Measured times of stages, which forecasts are made from."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from e2e3d.data.stats import StageStats
from e2e3d.pipeline.forecast import StageTime
from e2e3d.service.image_sets.tables import PhotoRow
from e2e3d.service.jobs.tables import StageTimeRow

_KEPT = 500


def add(
    session: Session, quality: str, photos: int, megapixels: float, stages: Sequence[StageStats], at: datetime.datetime
) -> None:
    """Remember what the passes of a job took that found nothing finished; old times are forgotten."""
    values = [
        {
            "quality": quality,
            "stage": stats.stage,
            "photos": photos,
            "megapixels": megapixels,
            "elapsed_s": stats.elapsed_s,
            "cpu_s": stats.cpu_s,
            "peak_bytes": stats.peak_memory_bytes,
            "bytes": 0,
            "at": at,
        }
        for stats in stages
        if stats.units and not stats.reused_units
    ]
    if not values:
        return
    session.execute(insert(StageTimeRow), values)
    newest = select(StageTimeRow.id).order_by(StageTimeRow.id.desc()).limit(1).offset(_KEPT)
    oldest_kept = session.scalar(newest)
    if oldest_kept is not None:
        session.execute(delete(StageTimeRow).where(StageTimeRow.id <= oldest_kept))


def history(session: Session, limit: int = 200) -> tuple[StageTime, ...]:
    """The latest times, oldest first."""
    rows = session.scalars(select(StageTimeRow).order_by(StageTimeRow.id.desc()).limit(limit)).all()
    return tuple(StageTime(row.stage, row.photos, row.megapixels, row.quality, row.elapsed_s) for row in reversed(rows))


def megapixels_of(session: Session, image_set_id: str) -> tuple[int, float]:
    """How many usable photographs an image set has, and the megapixels of one of them on average; 0.0 if unknown."""
    wanted = (PhotoRow.image_set_id == image_set_id, PhotoRow.state != "rejected")
    sizes = session.execute(select(PhotoRow.width_px, PhotoRow.height_px).where(*wanted)).all()
    known = [row.width_px * row.height_px / 1e6 for row in sizes if row.width_px and row.height_px]
    return len(sizes), sum(known) / len(known) if known else 0.0


def inputs_of(session: Session, image_set_id: str) -> tuple[tuple[str, str], ...]:
    """Name and SHA-256 of the photographs of an image set that can be used, in order."""
    query = select(PhotoRow.name, PhotoRow.sha256).where(
        PhotoRow.image_set_id == image_set_id, PhotoRow.state != "rejected"
    )
    return tuple((row.name, row.sha256) for row in session.execute(query.order_by(PhotoRow.position)))
