"""COLMAP's own log, which would mix with what the user sees."""

from __future__ import annotations

import pycolmap


def silence_colmap() -> None:
    """Let COLMAP report errors only; call it before any of its work."""
    pycolmap.logging.minloglevel = pycolmap.logging.ERROR.value
