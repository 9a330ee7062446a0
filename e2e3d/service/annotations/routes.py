"""Annotations: made, listed, changed and removed by the owner of a model."""

from __future__ import annotations

from fastapi import APIRouter, status

from e2e3d.service.annotations import queries as notes
from e2e3d.service.annotations.wire import Annotation, AnnotationChange, AnnotationIn
from e2e3d.service.database.table_base import now
from e2e3d.service.http.ids import ResourceId
from e2e3d.service.http.paging import Cursor, Limit, page_of, position_of
from e2e3d.service.http.problems import ProblemError, missing, problem_responses
from e2e3d.service.http.wire import Page
from e2e3d.service.results.routes import own_job
from e2e3d.service.sign_in.dependencies import Reader, ServicesOf, Writer

router = APIRouter(prefix="/v1", tags=["annotations"], responses=problem_responses(401, 403, 404, 422, 503))
MOST = 200
"""Annotations of a job at most: visitors of a shared model get all of them at once."""


@router.post(
    "/jobs/{job_id}/annotations",
    status_code=status.HTTP_201_CREATED,
    summary="Annotate a model",
    responses=problem_responses(409),
)
def annotate_job(job_id: ResourceId, body: AnnotationIn, caller: Writer, services: ServicesOf) -> Annotation:
    """Put a title and a text at a place of the model of a job; whoever it is shared with sees them, too."""
    with services.database.session() as session:
        own_job(session, caller, job_id)
        if notes.count(session, job_id) >= MOST:
            raise ProblemError(409, "too-many-annotations", f"The job has {MOST} annotations.", "Remove some of them.")
        made = notes.add(session, job_id, body.title, body.text, body.position_world, now())
    return Annotation.from_record(made)


@router.get("/jobs/{job_id}/annotations", summary="List the annotations of a model")
def list_annotations(
    job_id: ResourceId, caller: Reader, services: ServicesOf, limit: Limit = 50, cursor: Cursor = None
) -> Page[Annotation]:
    """The annotations of the model of a job, the oldest first."""
    with services.database.reading() as session:
        own_job(session, caller, job_id)
        found = notes.listed(session, job_id, limit + 1, position_of(cursor))
    items, after = page_of(found, limit, lambda each: (each.created_at, each.id))
    return Page(items=tuple(Annotation.from_record(each) for each in items), next_cursor=after)


@router.patch("/annotations/{annotation_id}", summary="Change an annotation")
def change_annotation(
    annotation_id: ResourceId, body: AnnotationChange, caller: Writer, services: ServicesOf
) -> Annotation:
    """Change the title, the text or the place of an annotation."""
    with services.database.session() as session:
        changed = notes.change(session, caller.id, annotation_id, body.title, body.text, body.position_world)
        if changed is None:
            raise missing("annotation")
    return Annotation.from_record(changed)


@router.delete("/annotations/{annotation_id}", status_code=status.HTTP_204_NO_CONTENT, summary="Remove an annotation")
def remove_annotation(annotation_id: ResourceId, caller: Writer, services: ServicesOf) -> None:
    """Remove an annotation."""
    with services.database.session() as session:
        if not notes.remove(session, caller.id, annotation_id):
            raise missing("annotation")
