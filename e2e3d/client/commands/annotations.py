"""``e2e3d annotations``: titles and texts at places of a model."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from e2e3d.client.clients import Client
from e2e3d.client.commands.group import command
from e2e3d.client.commands.options import JobName, Json, Limit, Url
from e2e3d.client.commands.output import put, put_list, say
from e2e3d.client.commands.service import first, job_id
from e2e3d.client.models import Annotation
from e2e3d.errors import SettingsError

app = typer.Typer()
AnnotationId = Annotated[
    str, typer.Argument(metavar="ANNOTATION", help="Id of the annotation; see e2e3d annotations list.")
]
Place = Annotated[
    tuple[float, float, float] | None,
    typer.Option("--at", metavar="X Y Z", help="Its place in the frame and units of the model."),
]


@command(app, "list")
def list_annotations(job: JobName, limit: Limit = 200, as_json: Json = False, url: Url = None) -> int:
    """List the annotations of a model, oldest first."""
    with Client(url) as client:
        found = first(limit, partial(client.list_annotations, job_id(client, job)))
    put_list(found, ("ANNOTATION", "X", "Y", "Z", "TITLE", "TEXT"), _cells, as_json)
    return 0


@command(app)
def create(
    job: JobName,
    title: Annotated[str, typer.Argument(metavar="TITLE")],
    at: Annotated[
        tuple[float, float, float],
        typer.Option("--at", metavar="X Y Z", help="Its place in the frame and units of the model."),
    ],
    text: Annotated[str, typer.Option(help="What is to be said of the place.")] = "",
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Put a title and a text at a place of the model of a job, and print the id of the annotation."""
    with Client(url) as client:
        made = client.annotate(job_id(client, job), title, at, text)
    put(made.model_dump_json() if as_json else made.id)
    return 0


@command(app)
def edit(
    annotation: AnnotationId,
    title: Annotated[str | None, typer.Option(help="Another title.")] = None,
    text: Annotated[str | None, typer.Option(help="Another text.")] = None,
    at: Place = None,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Change the title, the text or the place of an annotation."""
    if title is None and text is None and at is None:
        raise SettingsError("nothing-to-change", "There is nothing to change.", "See e2e3d annotations edit --help.")
    with Client(url) as client:
        changed = client.change_annotation(annotation, title, text, at)
    put(changed.model_dump_json() if as_json else changed.id)
    return 0


@command(app)
def remove(
    annotations: Annotated[list[str], typer.Argument(metavar="ANNOTATION...", help="Ids; see e2e3d annotations list.")],
    url: Url = None,
) -> int:
    """Remove annotations."""
    with Client(url) as client:
        for one in annotations:
            client.remove_annotation(one)
            say(f"Removed {one}.")
    return 0


def _cells(one: Annotation) -> tuple[str, ...]:
    x, y, z = one.position_world
    return one.id, f"{x:.4g}", f"{y:.4g}", f"{z:.4g}", one.title, one.text
