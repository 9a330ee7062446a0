"""What is said of shared models over HTTP."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import Field

from e2e3d.service.annotations.wire import SharedAnnotation
from e2e3d.service.http.wire import RequestModel, ResponseModel
from e2e3d.service.results.wire import Result

LONGEST_DAYS = 3650
_Vector = Annotated[tuple[float, ...], Field(min_length=3, max_length=3)]


class ShareIn(RequestModel):
    """How a model is to be shared."""

    expires_in_days: Annotated[float, Field(gt=0, le=LONGEST_DAYS)] | None = Field(
        default=None, description="None: until it is withdrawn."
    )
    password: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00]*$")] | None = Field(
        default=None, description="That visitors have to give."
    )


class Share(ResponseModel):
    """An address by which anybody may look at the model of a job."""

    id: str
    job_id: str
    url: str = Field(description="Whoever has it sees the model.")
    has_password: bool
    created_at: datetime.datetime
    expires_at: datetime.datetime | None


class Viewpoint(ResponseModel):
    """From where a photograph was taken."""

    cam_from_world: tuple[_Vector, ...] = Field(description="The rows of the rotation; y of a camera points down.")
    center_world: _Vector


class SharedModel(ResponseModel):
    """A model that is shared, as its visitors see it: nothing of its photographs, its place or its owner."""

    name: str
    frame: str | None = Field(description="`upright`, `metric` and `georeferenced`: z is up; the last two are metres.")
    viewpoints: tuple[Viewpoint, ...] = Field(description="Of some photographs, for the first look.")
    results: tuple[Result, ...]
    annotations: tuple[SharedAnnotation, ...] = ()
