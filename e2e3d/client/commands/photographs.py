"""Send photographs."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from e2e3d.client.commands.group import command
from e2e3d.client.commands.options import JOBS, Json, Url
from e2e3d.client.commands.output import put, say

if TYPE_CHECKING:
    from e2e3d.client import Client
    from e2e3d.client.models import UploadReport

app = typer.Typer()

Masks = Annotated[Path | None, typer.Option(help="Folder of masks (non-zero = use), named as their photographs.")]


@command(app, panel=JOBS)
def upload(
    photos: Annotated[list[Path], typer.Argument(help="Folders, photographs, zip archives.")],
    to: Annotated[str | None, typer.Option(metavar="SET", help="Add to this image set, by id or name.")] = None,
    name: Annotated[str | None, typer.Option(help="Of a new image set; default: that of the first path.")] = None,
    new: Annotated[bool, typer.Option("--new", help="Make a new set even if these paths have one.")] = False,
    masks: Masks = None,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Send photographs and print the id of their image set; the same command resumes, and sends nothing twice."""
    from e2e3d.client import Client

    with Client(url) as client:
        report = send(client, _set_for(client, photos, to, name, new), photos, masks)
    put(report.model_dump_json() if as_json else report.image_set.id)
    return 0


def send(client: Client, set_id: str, photos: Sequence[Path], masks: Path | None) -> UploadReport:
    """Send photographs and masks into a set, and say what became of them."""
    from e2e3d.client.display import size, transfer_display

    with transfer_display("uploading") as show:
        report = client.upload(set_id, list(photos), progress=show, masks=masks)
    for remark in report.remarks:
        for finding in remark.findings:
            say(f"{remark.name}: {finding.message}")
    counts = {
        "added": report.added,
        "already there": report.known,
        "rejected": report.rejected,
        "ignored": report.ignored,
    }
    parts = [f"{count} {what}" for what, count in counts.items() if count]
    say(f"{', '.join(parts) or 'nothing to do'}; {size(report.bytes_sent)} sent.")
    return report


def _set_for(client: Client, photos: Sequence[Path], to: str | None, name: str | None, new: bool) -> str:
    from e2e3d.client.commands.service import image_set_id
    from e2e3d.client.errors import NotFoundError
    from e2e3d.client.remembered import remember_set, remembered_set

    if to is not None:
        return client.image_set(image_set_id(client, to)).id
    url = client.session.url
    known = None if new else remembered_set(url, photos)
    if known is not None:
        with contextlib.suppress(NotFoundError):
            return client.image_set(known).id
    made = client.create_image_set(name or photos[0].resolve().stem or "photographs")
    remember_set(url, photos, made.id)
    return made.id
