"""What is written on the command line, as values."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from e2e3d.errors import InputError, SettingsError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)B?", re.IGNORECASE)
_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def parse_distance(text: str) -> tuple[str, str, float]:
    """``PHOTO_A,PHOTO_B,METRES`` as two names and metres. Raises SettingsError ``bad-setting``."""
    try:
        first, second, metres = (part.strip() for part in text.rsplit(",", 2))
        distance_m = float(metres)
    except ValueError:
        distance_m = 0.0
    if distance_m <= 0:
        raise SettingsError(
            "bad-setting", f"--known-distance {text} cannot be read.", "Write it as PHOTO_A,PHOTO_B,METRES."
        )
    return first, second, distance_m


def parse_size(text: str) -> int:
    """Bytes in a size such as ``100GB`` (10^9 each) or ``5000``. Raises SettingsError ``bad-setting``."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise SettingsError("bad-setting", f"{text} is no size.", "Write it such as 500MB, 100GB or 2.5TB.")
    return round(float(found[1]) * _BYTES[found[2].lower()])


def parse_moment(text: str) -> datetime.datetime:
    """A day or a time as ISO 8601 has them, of this machine's zone where it names none. Raises SettingsError."""
    try:
        return datetime.datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise SettingsError(
            "bad-setting", f"{text} is no time.", "Write it such as 2026-05-31 or 2026-05-31T18:30."
        ) from error


def read_text(path: Path) -> str:
    """The text of a small file. Raises InputError ``no-such-path`` or ``no-permission``."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError as error:
        raise InputError("no-such-path", f"{path} does not exist.", "Check the spelling of the path.") from error
    except OSError as error:
        raise InputError("no-permission", f"{path} cannot be read: {error.strerror}.", "Name a text file.") from error
