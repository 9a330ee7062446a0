"""Which Ray this package was tested with; reading it imports no Ray."""

from __future__ import annotations

import importlib.metadata

TESTED_RAY = "2.60"
"""The minor version that ``pyproject.toml`` allows: with it is tested what goes beyond Ray's documented interface."""


def ray_is_tested() -> bool:
    """Whether the installed Ray is of the minor version that was tested."""
    return importlib.metadata.version("ray").split(".")[:2] == TESTED_RAY.split(".")
