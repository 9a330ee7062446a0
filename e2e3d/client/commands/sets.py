"""``e2e3d sets``: image sets and their photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from e2e3d.client.clients import Client
from e2e3d.client.commands.group import command
from e2e3d.client.commands.options import Json, Limit, Search, SetName, Url
from e2e3d.client.commands.output import moment, put, put_list, put_record, say
from e2e3d.client.commands.service import everything, first, image_set_id, photo_id
from e2e3d.client.display import size
from e2e3d.client.models import ImageSet, Photo
from e2e3d.errors import MachineError

app = typer.Typer()
PhotoNames = Annotated[list[str], typer.Argument(metavar="PHOTO...", help="Ids or names of photographs.")]
_MOST_AT_ONCE = 1000


@command(app, "list")
def list_sets(search: Search = None, limit: Limit = 20, as_json: Json = False, url: Url = None) -> int:
    """List your image sets, newest first."""
    with Client(url) as client:
        found = first(limit, lambda size, cursor: client.list_image_sets(size, cursor, search))
    put_list(found, ("SET", "PHOTOGRAPHS", "SIZE", "MADE", "NAME"), _cells, as_json)
    return 0


@command(app)
def create(
    name: Annotated[str, typer.Argument(help="What you call it.")], as_json: Json = False, url: Url = None
) -> int:
    """Make an empty image set and print its id."""
    with Client(url) as client:
        made = client.create_image_set(name)
    put(made.model_dump_json() if as_json else made.id)
    return 0


@command(app)
def show(image_set: SetName, as_json: Json = False, url: Url = None) -> int:
    """Show an image set."""
    with Client(url) as client:
        found = client.image_set(image_set_id(client, image_set))
    fields = {
        "set": found.id,
        "name": found.name,
        "photographs": str(found.photo_count),
        "size": size(found.bytes),
        "made": moment(found.created_at),
        "changed": moment(found.updated_at),
    }
    put_record(found, fields, as_json)
    return 0


@command(app)
def rename(image_set: SetName, name: Annotated[str, typer.Argument(help="Its new name.")], url: Url = None) -> int:
    """Give an image set another name."""
    with Client(url) as client:
        changed = client.rename_image_set(image_set_id(client, image_set), name)
    say(f"{changed.id} is called {changed.name}.")
    return 0


@command(app)
def delete(
    image_sets: Annotated[list[str], typer.Argument(metavar="SET...", help="Ids or names.")], url: Url = None
) -> int:
    """Delete image sets with their photographs; jobs that were made from them keep theirs."""
    with Client(url) as client:
        for found in [image_set_id(client, one) for one in image_sets]:
            client.delete_image_set(found)
            say(f"Deleted {found}.")
    return 0


@command(app)
def photos(image_set: SetName, as_json: Json = False, url: Url = None) -> int:
    """List the photographs of an image set, with what is wrong with each."""
    with Client(url) as client:
        found = _photos(client, image_set_id(client, image_set))
    put_list(found, ("PHOTOGRAPH", "STATE", "SIZE", "PIXELS", "NAME", "REMARKS"), _photo_cells, as_json)
    return 0


@command(app)
def photo(
    image_set: SetName,
    name: Annotated[str, typer.Argument(metavar="PHOTO", help="Id or name of a photograph.")],
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Show a photograph."""
    with Client(url) as client:
        set_id = image_set_id(client, image_set)
        found = client.photo(set_id, photo_id(client, set_id, name))
    fields = {
        "photograph": found.id,
        "name": found.name,
        "state": found.state,
        "size": size(found.bytes),
        "pixels": _pixels(found),
        "type": found.media_type,
        "SHA-256": found.sha256,
        "remarks": _remarks(found),
    }
    put_record(found, fields, as_json)
    return 0


@command(app)
def thumbnail(
    image_set: SetName,
    name: Annotated[str, typer.Argument(metavar="PHOTO", help="Id or name of a photograph.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The JPEG file to write.")],
    url: Url = None,
) -> int:
    """Save a small picture of a photograph."""
    with Client(url) as client:
        set_id = image_set_id(client, image_set)
        content = client.thumbnail(set_id, photo_id(client, set_id, name))
    try:
        out.write_bytes(content)
    except OSError as error:
        raise MachineError(
            "cannot-write", f"{out} cannot be written: {error.strerror}.", "Name another file."
        ) from error
    put(str(out))
    return 0


@command(app)
def remove(image_set: SetName, names: PhotoNames, url: Url = None) -> int:
    """Take photographs out of an image set; jobs that were made with them keep them."""
    with Client(url) as client:
        set_id = image_set_id(client, image_set)
        known = _photos(client, set_id)
        ids = [photo_id(client, set_id, one, known) for one in names]
        groups = [ids[start : start + _MOST_AT_ONCE] for start in range(0, len(ids), _MOST_AT_ONCE)]
        removed = sum(client.remove_photos(set_id, group) for group in groups)
    say(f"Removed {removed} photographs.")
    return 0


@command(app, "import")
def import_(
    image_set: SetName,
    source: Annotated[str, typer.Argument(metavar="s3://BUCKET/PREFIX", help="A place that the operator allows.")],
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Have the service take in photographs from S3 and print the id of the import; see e2e3d uploads show."""
    with Client(url) as client:
        begun = client.import_photos(image_set_id(client, image_set), source)
    put(begun.model_dump_json() if as_json else begun.id)
    return 0


def _photos(client: Client, set_id: str) -> list[Photo]:
    return everything(lambda size, cursor: client.list_photos(set_id, size, cursor))


def _cells(one: ImageSet) -> tuple[str, ...]:
    return one.id, f"{one.photo_count} photographs", size(one.bytes), moment(one.created_at), one.name


def _photo_cells(one: Photo) -> tuple[str, ...]:
    return one.id, one.state, size(one.bytes), _pixels(one) or "", one.name, _remarks(one) or ""


def _pixels(one: Photo) -> str | None:
    return None if one.width_px is None else f"{one.width_px} x {one.height_px}"


def _remarks(one: Photo) -> str | None:
    return " ".join(finding.message for finding in one.findings) or None
