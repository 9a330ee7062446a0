"""Annotations as the API shows them."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import Field

from e2e3d.service.http.wire import RequestModel, ResponseModel
from e2e3d.service.image_sets.wire import PLAIN

_Title = Annotated[str, Field(min_length=1, max_length=200, pattern=PLAIN, examples=["Crack"])]
_Text = Annotated[str, Field(max_length=4000, pattern=PLAIN, description="Plain text; markup in it means nothing.")]
_Position = Annotated[
    tuple[Annotated[float, Field(allow_inf_nan=False)], ...],
    Field(
        min_length=3,
        max_length=3,
        description="x, y, z in the frame and units of the model.",
        examples=[[0.12, -0.4, 1.3]],
    ),
]


class AnnotationIn(RequestModel):
    """A place of a model, and what is to be said of it."""

    title: _Title
    text: _Text = ""
    position_world: _Position


class AnnotationChange(RequestModel):
    """What is to be different; what is left out stays."""

    title: _Title | None = None
    text: _Text | None = None
    position_world: _Position | None = None


class SharedAnnotation(ResponseModel):
    """An annotation as visitors of a shared model see it."""

    title: str
    text: str
    position_world: _Position


class Annotation(ResponseModel):
    """A place of the model of a job with a title and a text."""

    id: str
    job_id: str
    title: str
    text: str = Field(description="Plain text; markup in it means nothing.")
    position_world: _Position
    created_at: datetime.datetime
