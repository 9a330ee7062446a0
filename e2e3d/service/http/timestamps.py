"""Moments that requests name."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import AfterValidator


def in_utc(value: datetime.datetime) -> datetime.datetime:
    """A moment in UTC, which one without a time zone is taken to be in.

    Raises:
        ValueError: when it lies outside of the years 1 to 9999 there.
    """
    if value.tzinfo is None:
        return value.replace(tzinfo=datetime.UTC)
    try:
        return value.astimezone(datetime.UTC)
    except OverflowError as error:
        raise ValueError("must lie within the years 1 to 9999 in UTC") from error


Moment = Annotated[datetime.datetime, AfterValidator(in_utc)]
