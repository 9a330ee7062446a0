"""Annotations: titles and texts at places of a model."""

from __future__ import annotations

from collections.abc import Sequence

from e2e3d.client.exchange import exchange
from e2e3d.client.flow import Flow
from e2e3d.client.models import Annotation, Page
from e2e3d.client.session import Session
from e2e3d.client.wire import Call, path


def annotate(
    session: Session, job_id: str, title: str, position_world: Sequence[float], text: str = ""
) -> Flow[Annotation]:
    """Put a title and a text at a place of the model of a job. Raises NotFoundError.

    Args:
        session: given by the client.
        job_id: the job.
        title: at most 200 characters.
        position_world: x, y, z in the frame and units of the model.
        text: at most 4000 characters.
    """
    body = {"title": title, "text": text, "position_world": list(position_world)}
    reply = yield from exchange(session, Call("POST", path("jobs", job_id, "annotations"), json=body))
    return Annotation.model_validate(reply.json())


def list_annotations(
    session: Session, job_id: str, limit: int | None = None, cursor: str | None = None
) -> Flow[Page[Annotation]]:
    """The annotations of the model of a job, oldest first."""
    call = Call("GET", path("jobs", job_id, "annotations"), {"limit": limit, "cursor": cursor})
    return Page[Annotation].model_validate((yield from exchange(session, call)).json())


def change_annotation(
    session: Session,
    annotation_id: str,
    title: str | None = None,
    text: str | None = None,
    position_world: Sequence[float] | None = None,
) -> Flow[Annotation]:
    """Change an annotation; what is None stays. Raises NotFoundError."""
    place = None if position_world is None else list(position_world)
    body = {"title": title, "text": text, "position_world": place}
    given = {name: value for name, value in body.items() if value is not None}
    reply = yield from exchange(session, Call("PATCH", path("annotations", annotation_id), json=given))
    return Annotation.model_validate(reply.json())


def remove_annotation(session: Session, annotation_id: str) -> Flow[None]:
    """Remove an annotation. Raises NotFoundError."""
    yield from exchange(session, Call("DELETE", path("annotations", annotation_id)))
