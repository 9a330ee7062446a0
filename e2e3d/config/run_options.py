"""What a run may be told beside its settings, and its form in JSON, which jobs and manifests keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e3d.config.bounds import Range
from e2e3d.errors import SettingsError

LeaveOut = int | tuple[str, ...]
"""Photographs to keep out: every n-th, or by name."""
SCALE = Range(1e-6, 1e9)
"""Metres per unit of a model, and metres between two photographs: from a grain of dust to the solar system."""


@dataclass(frozen=True)
class CalibrationText:
    """The 3 x 3 calibration matrix of all photographs in pixels, as somebody wrote it: three rows of numbers.

    Attributes:
        text: the rows.
        source: what messages and manifests call it; no part of its value.
    """

    text: str
    source: str = field(default="intrinsics.txt", compare=False)


@dataclass(frozen=True)
class RunOptions:
    """What a run may be told beside its settings.

    Attributes:
        intrinsics: the calibration matrix of all photographs.
        masks: a folder or zip archive of masks.
        scale: metres per model unit, when known.
        known_distance: two photographs, and the distance between their cameras in metres.
        keep_depth: also export the depth maps.
        left_out: photographs to keep out: every n-th, or by name.
        tiles: export the model as 3D Tiles and the cloud as COPC; None = what is too large for one file.

    Raises:
        SettingsError: ``bad-setting`` for a scale or a distance outside of :data:`SCALE`.
    """

    intrinsics: CalibrationText | None = None
    masks: Path | None = None
    scale: float | None = None
    known_distance: tuple[str, str, float] | None = None
    keep_depth: bool = False
    left_out: LeaveOut | None = None
    tiles: bool | None = None

    def __post_init__(self) -> None:
        distance = None if self.known_distance is None else self.known_distance[2]
        for name, value in (("scale", self.scale), ("known_distance", distance)):
            if value is not None and not SCALE.allows(value):
                raise SettingsError("bad-setting", f"{name} is {value} metres.", f"It must be {SCALE}.")

    def to_json(self) -> dict[str, Any]:
        """What was given, as JSON has it; :func:`options_from_json` reads it back."""
        given = {
            "intrinsics": None if self.intrinsics is None else self.intrinsics.text,
            "masks": None if self.masks is None else str(self.masks),
            "scale": self.scale,
            "known_distance": None if self.known_distance is None else list(self.known_distance),
            "keep_depth": self.keep_depth or None,
            "left_out": list(self.left_out) if isinstance(self.left_out, tuple) else self.left_out,
            "tiles": self.tiles,
        }
        return {name: value for name, value in given.items() if value is not None}

    def recorded(self) -> dict[str, Any]:
        """What the manifest says of them: names of files without their folders."""
        names = ("intrinsics", "masks", "scale", "known_distance", "left_out")
        said = dict.fromkeys(names) | self.to_json()
        if self.intrinsics is not None:
            said["intrinsics"] = Path(self.intrinsics.source).name
        if self.masks is not None:
            said["masks"] = self.masks.name
        return {name: said[name] for name in names}


NO_OPTIONS = RunOptions()


def options_from_json(document: Mapping[str, Any]) -> RunOptions:
    """The options that :meth:`RunOptions.to_json` has written.

    Raises:
        SettingsError: ``bad-setting``, when something is no option, or has no value that its option can have.
    """
    try:
        given = {name: _READERS[name](value) for name, value in document.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError("bad-setting", f"The options {dict(document)} cannot be read.", "") from error
    return RunOptions(**given)


def _distance(value: Any) -> tuple[str, str, float]:
    first, second, metres = value
    return str(first), str(second), float(metres)


def _left_out(value: Any) -> LeaveOut:
    return value if isinstance(value, int) else tuple(str(name) for name in value)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "intrinsics": CalibrationText,
    "masks": Path,
    "scale": float,
    "known_distance": _distance,
    "keep_depth": bool,
    "left_out": _left_out,
    "tiles": bool,
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
