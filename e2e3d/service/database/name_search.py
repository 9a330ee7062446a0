"""Search by a part of a name."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, or_
from sqlalchemy.orm import InstrumentedAttribute


def name_contains(name: InstrumentedAttribute[str], text: str) -> ColumnElement[bool]:
    """Whether a name contains `text`, in any case; SQLite knows the cases of ASCII only, so also as it is written."""
    in_any_case = func.lower(name).contains(text.lower(), autoescape=True)
    return or_(name.contains(text, autoescape=True), in_any_case)
