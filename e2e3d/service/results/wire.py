"""Results as the API shows them."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from e2e3d.service.results.records import ResultRecord


class Result(BaseModel):
    """A file that a job made."""

    path: str = Field(examples=["model.glb"])
    media_type: str
    bytes: int
    sha256: str
    created_at: datetime.datetime

    @classmethod
    def of(cls, record: ResultRecord) -> Result:
        """From a record."""
        return cls(
            path=record.path,
            media_type=record.media_type,
            bytes=record.bytes,
            sha256=record.sha256,
            created_at=record.created_at,
        )


class LinksIn(BaseModel):
    """Which results are wanted, and for how long."""

    model_config = ConfigDict(extra="forbid")

    paths: list[Annotated[str, Field(min_length=1, max_length=512)]] = Field(min_length=1, max_length=200)
    expires_in_s: int = Field(default=3600, ge=1, le=7 * 86400)


class Link(BaseModel):
    """An address that needs no token until it expires."""

    path: str
    url: str


class Links(BaseModel):
    """Addresses of results; whoever has one can download the file, so share them with care."""

    items: list[Link]
    expires_at: datetime.datetime
