"""How long the passes of a run will take: from earlier runs on this machine, and before the first from defaults."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

_SMOOTHING = 0.5
# Passes whose units tell the number of photographs.
_PHOTOS_A_UNIT = {"ingest": 4, "features": 1, "undistort": 1, "depth": 1}
# A pass that was timed here before, and one that is known from the defaults only, takes this much less or more.
_TIMED_RANGE = (0.7, 1.5)
_DEFAULT_RANGE = (0.5, 2.0)
# The pace of a run counts from the start as if this share of it had been measured, at the expected pace.
_PRIOR_SHARE = 0.15

Defaults = Callable[[int], Mapping[str, float]]


class History:
    """Measured seconds of every pass per photograph, kept in a small JSON file in the user's cache folder.

    Args:
        path: the file, None to remember nothing.
        profile: what makes runs comparable: see :func:`profile_of`.
        defaults: seconds of every pass for so many photographs, for passes that no earlier run has timed.
    """

    def __init__(self, path: Path | None = None, profile: str = "", defaults: Defaults | None = None) -> None:
        self._path = path
        self._profile = profile
        self._defaults = defaults
        self._size = 1
        self._rates = self._read().get(profile, {})
        self._measured_s: dict[str, float] = {}

    def grow(self, label: str, units: int) -> None:
        """Learn that a pass of this run has so many units, and from it how many photographs there are."""
        self._size = max(self._size, _PHOTOS_A_UNIT.get(label, 0) * units)

    def expected(self) -> dict[str, tuple[float, float]]:
        """Least and most seconds of every known pass, at the pace of this run so far."""
        timed = {label: rate * self._size for label, rate in self._rates.items()}
        known = {**(self._defaults(self._size) if self._defaults else {}), **timed}
        both = [label for label in self._measured_s if label in known]
        prior_s = max(_PRIOR_SHARE * sum(known.values()), 1e-9)
        measured_s, expected_s = sum(self._measured_s[label] for label in both), sum(known[label] for label in both)
        pace = (measured_s + prior_s) / (expected_s + prior_s)
        ranges = {label: _TIMED_RANGE if label in timed else _DEFAULT_RANGE for label in known}
        return {label: (ranges[label][0] * s * pace, ranges[label][1] * s * pace) for label, s in known.items()}

    def add(self, label: str, elapsed_s: float) -> None:
        """Learn from a pass of this run."""
        self._measured_s[label] = elapsed_s

    def save(self) -> None:
        """Write what was learnt; a cache that cannot be written is no failure of the run."""
        if self._path is None or not self._measured_s:
            return
        rates = dict(self._rates)
        for label, elapsed_s in self._measured_s.items():
            rate = elapsed_s / self._size
            rates[label] = rates.get(label, rate) + _SMOOTHING * (rate - rates.get(label, rate))
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(self._read() | {self._profile: rates}, indent=1))
            temporary.replace(self._path)

    def _read(self) -> dict[str, dict[str, float]]:
        if self._path is None:
            return {}
        try:
            content = json.loads(self._path.read_text())
            return {
                str(profile): {str(label): float(rate) for label, rate in rates.items()}
                for profile, rates in content.items()
            }
        except (OSError, ValueError, AttributeError, TypeError):
            return {}


def profile_of(quality: str, changes: Mapping[str, object]) -> str:
    """What a run has in common with those of about its pace: the preset, and the settings that were changed in it."""
    return " ".join([quality, *(f"{name}={value}" for name, value in sorted(changes.items()))])


def cache_file() -> Path:
    """Where the times are kept, after the XDG base directory specification."""
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "e2e3d" / "times.json"
