"""``e2e3d uploads``: uploads and imports that are under way."""

from __future__ import annotations

from typing import Annotated

import typer

from e2e3d.client.clients import Client
from e2e3d.client.commands.group import command
from e2e3d.client.commands.options import Json, Limit, SetName, Url
from e2e3d.client.commands.output import moment, put_list, put_record, say
from e2e3d.client.commands.service import first, image_set_id
from e2e3d.client.display import size
from e2e3d.client.models import Upload

app = typer.Typer()
UploadId = Annotated[str, typer.Argument(metavar="UPLOAD", help="Id of the upload.")]


@command(app, "list")
def list_uploads(image_set: SetName, limit: Limit = 20, as_json: Json = False, url: Url = None) -> int:
    """List the uploads into an image set, newest first; finished ones go after a while."""
    with Client(url) as client:
        set_id = image_set_id(client, image_set)
        found = first(limit, lambda size, cursor: client.list_uploads(set_id, size, cursor))
    put_list(found, ("UPLOAD", "KIND", "STATE", "ARRIVED", "BEGUN", "NAME"), _cells, as_json)
    return 0


@command(app)
def show(upload: UploadId, as_json: Json = False, url: Url = None) -> int:
    """Show how far an upload or an import is, and what was wrong with its files."""
    with Client(url) as client:
        found = client.upload_state(upload)
    counts = {"added": found.added, "already there": found.known, "rejected": found.rejected, "ignored": found.ignored}
    fields = {
        "upload": found.id,
        "name": found.name,
        "kind": found.kind,
        "state": found.state,
        "arrived": _arrived(found),
        "files": f"{found.files_done}" + (f" of {found.files_total}" if found.files_total is not None else ""),
        "photographs": ", ".join(f"{count} {what}" for what, count in counts.items() if count),
        "kept until": moment(found.expires_at),
        "error": None if found.error is None else f"[{found.error.code}] {found.error.detail} {found.error.action}",
        "remarks": " ".join(f"{one.name}: {each.message}" for one in found.remarks for each in one.findings),
    }
    put_record(found, fields, as_json)
    return 0


@command(app)
def discard(upload: UploadId, url: Url = None) -> int:
    """Throw away what has arrived of an upload; photographs that were taken in already stay."""
    with Client(url) as client:
        client.discard_upload(upload)
    say(f"Discarded {upload}.")
    return 0


def _cells(one: Upload) -> tuple[str, ...]:
    return one.id, one.kind, one.state, _arrived(one), moment(one.created_at), one.name


def _arrived(one: Upload) -> str:
    return size(one.offset_bytes) + (f" of {size(one.size_bytes)}" if one.size_bytes is not None else "")
