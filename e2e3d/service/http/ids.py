"""Identifiers in addresses."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

ResourceId = Annotated[
    str,
    Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$", examples=["5b0e2a35-0f5e-4c39-8a39-1f7f3f9b1d0e"]),
]
