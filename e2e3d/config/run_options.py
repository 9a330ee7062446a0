"""What a run may be told beside its settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from e2e3d.config.bounds import Range
from e2e3d.errors import SettingsError

LeaveOut = int | tuple[str, ...]
"""Photographs to keep out: every n-th, or by name."""
SCALE = Range(1e-6, 1e9)
"""Metres per unit of a model, and metres between two photographs: from a grain of dust to the solar system."""


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

    Raises:
        SettingsError: ``bad-setting`` for a scale or a distance outside of :data:`SCALE`.
    """

    intrinsics: str | os.PathLike[str] | None = None
    masks: str | os.PathLike[str] | None = None
    scale: float | None = None
    known_distance: tuple[str, str, float] | None = None
    keep_depth: bool = False
    left_out: LeaveOut | None = None

    def __post_init__(self) -> None:
        distance = None if self.known_distance is None else self.known_distance[2]
        for name, value in (("scale", self.scale), ("known_distance", distance)):
            if value is not None and not SCALE.allows(value):
                raise SettingsError("bad-setting", f"{name} is {value} metres.", f"It must be {SCALE}.")

    def recorded(self) -> dict[str, object]:
        """What the manifest says of them: names of files without their folders."""
        return {
            "intrinsics": None if self.intrinsics is None else Path(self.intrinsics).name,
            "masks": None if self.masks is None else Path(self.masks).name,
            "scale": self.scale,
            "known_distance": self.known_distance,
            "left_out": self.left_out,
        }


def parse_leave_out(text: str) -> LeaveOut:
    """``4`` = every fourth photograph; ``A.jpg,B.jpg`` = these.

    Raises:
        SettingsError: ``bad-setting``.
    """
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    if len(words) == 1 and words[0].isdigit() and int(words[0]) >= 2:
        return int(words[0])
    if not words or words[0].isdigit():
        raise SettingsError(
            "bad-setting",
            f"--leave-out {text} cannot be read.",
            "Write a number from 2 on (4 = every fourth photograph), or names apart by commas.",
        )
    return words
