"""What a run may be told beside its settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from e2e3d.jobs.leave_out import LeaveOut


@dataclass(frozen=True)
class Options:
    """What a run may be told beside its settings.

    Attributes:
        intrinsics: a text file with the 3 x 3 calibration matrix of all photographs.
        masks: a folder or zip archive of masks.
        scale: metres per model unit, when known.
        known_distance: two photographs, and the distance between their cameras in metres.
        keep_depth: also export the depth maps.
        left_out: photographs to keep out: every n-th, or by name.
    """

    intrinsics: str | os.PathLike[str] | None = None
    masks: str | os.PathLike[str] | None = None
    scale: float | None = None
    known_distance: tuple[str, str, float] | None = None
    keep_depth: bool = False
    left_out: LeaveOut | None = None

    def recorded(self) -> dict[str, object]:
        """What the manifest says of them: names of files without their folders."""
        return {
            "intrinsics": None if self.intrinsics is None else Path(self.intrinsics).name,
            "masks": None if self.masks is None else Path(self.masks).name,
            "scale": self.scale,
            "known_distance": self.known_distance,
            "left_out": self.left_out,
        }
