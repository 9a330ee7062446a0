"""Results as the API shows them."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from e2e3d.service.http.wire import RequestModel, ResponseModel

if TYPE_CHECKING:
    from e2e3d.service.results.records import ResultRecord


class Result(ResponseModel):
    """A file that a job made."""

    path: str = Field(examples=["model.glb"])
    media_type: str
    bytes: int
    sha256: str
    created_at: datetime.datetime

    @classmethod
    def of(cls, record: ResultRecord) -> Result:
        """From a record."""
        return cls.from_record(record)


class LinksIn(RequestModel):
    """Which results are wanted, and for how long."""

    paths: list[Annotated[str, Field(min_length=1, max_length=512)]] = Field(min_length=1, max_length=200)
    expires_in_s: int = Field(default=3600, ge=1, le=7 * 86400)


class Link(ResponseModel):
    """An address that needs no token until it expires."""

    path: str
    url: str


class Links(ResponseModel):
    """Addresses of results; whoever has one can download the file, so share them with care."""

    items: tuple[Link, ...]
    expires_at: datetime.datetime
