"""Records of annotations."""

from __future__ import annotations

import datetime
from dataclasses import dataclass


@dataclass(frozen=True)
class AnnotationRecord:
    """A place of a model with a title and a text.

    Attributes:
        position_world: x, y, z in the frame and the units of the model.
    """

    id: str
    job_id: str
    title: str
    text: str
    position_world: tuple[float, float, float]
    created_at: datetime.datetime
