"""The image sets of a batch, as they stand in a file of JSON lines."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e3d.config.presets import configure
from e2e3d.config.run_options import RunOptions
from e2e3d.errors import E2E3DError, InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class ImageSet:
    """One line of the file.

    Attributes:
        name: of the set's folder in the results; unique in a batch.
        photos: a folder, a zip archive, a video, or an ``s3://`` prefix, archive or video.
        quality: a preset.
        settings: changes to it by dotted name.
        intrinsics: a text file with the 3 x 3 calibration matrix of all photographs.
        masks: a folder or zip archive of masks.
        scale: metres per unit of the model.
        known_distance: names of two photographs, and the metres between their cameras.
    """

    name: str
    photos: str
    quality: str = "medium"
    settings: Mapping[str, Any] = field(default_factory=dict)
    intrinsics: str | None = None
    masks: str | None = None
    scale: float | None = None
    known_distance: tuple[str, str, float] | None = None

    def digest(self, listing: str) -> str:
        """Names what is asked for: equal for the same set, settings and files, SHA-256 in hexadecimal."""
        asked = {name: value for name, value in dataclasses.asdict(self).items() if name != "name"}
        return hashlib.sha256(json.dumps([asked, listing], sort_keys=True).encode()).hexdigest()


def read_image_sets(file: Path) -> tuple[ImageSet, ...]:
    """Read a file with one JSON object a line; empty lines are skipped, relative paths are relative to the file.

    Raises:
        InputError: ``no-such-path``, or ``batch-file`` naming the line and its fault. All lines are checked,
            their settings included, before anything is computed.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("no-such-path", f"{file} cannot be read: {error}.", "Check the path.") from error
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    sets = [_parsed(line, file.parent, f"{file}, line {number}") for number, line in numbered]
    if not sets:
        raise InputError("batch-file", f"{file} names no image set.", "Write one JSON object a line.")
    _require_unique(sets, file)
    return tuple(sets)


def _parsed(line: str, folder: Path, where: str) -> ImageSet:
    values = _members(line, where)
    for name in ("photos", "intrinsics", "masks"):
        if values.get(name) and "://" not in values[name]:
            values[name] = str(folder / Path(values[name]).expanduser())
    if values.get("known_distance") is not None:
        values["known_distance"] = _distance(values["known_distance"], where)
    try:
        made = ImageSet(**values)
        RunOptions(scale=made.scale, known_distance=made.known_distance)
        configure(made.quality, made.settings)
    except (E2E3DError, TypeError) as error:
        raise _wrong(where, str(error)) from error
    return made


def _members(line: str, where: str) -> dict[str, Any]:
    """The members of a line, each of its type."""
    try:
        values = json.loads(line)
    except ValueError as error:
        raise _wrong(where, f"is no JSON: {error}") from error
    known = [each.name for each in dataclasses.fields(ImageSet)]
    if not isinstance(values, dict) or not {"name", "photos"} <= values.keys():
        raise _wrong(where, "must be an object with at least name and photos")
    for name in values.keys() - set(known):
        raise _wrong(where, f"has a member {name!r}, which is none of {', '.join(known)}")
    for name in ("name", "photos", "quality", "intrinsics", "masks"):
        if values.get(name) is not None and not isinstance(values[name], str):
            raise _wrong(where, f"{name} must be a text")
    if not isinstance(values.get("settings", {}), dict):
        raise _wrong(where, "settings must be an object")
    if not _NAME.fullmatch(values["name"]):
        raise _wrong(where, "name may have letters, digits, dots, dashes and underscores, up to 100 of them")
    return values


def _distance(value: object, where: str) -> tuple[str, str, float]:
    match value:
        case [str(first), str(second), int() | float() as metres] if not isinstance(metres, bool):
            return first, second, float(metres)
    raise _wrong(where, 'known_distance must be ["A.jpg", "B.jpg", METRES]')


def _require_unique(sets: Iterable[ImageSet], file: Path) -> None:
    seen: set[str] = set()
    for each in sets:
        if each.name.lower() in seen:
            raise InputError("batch-file", f"{file} names {each.name} twice.", "Give each image set a name of its own.")
        seen.add(each.name.lower())


def _wrong(where: str, why: str) -> InputError:
    return InputError("batch-file", f"{where} {why}.".replace("..", "."), "Correct the line; nothing was computed.")
