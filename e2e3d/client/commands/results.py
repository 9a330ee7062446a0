"""What jobs have made: listed, downloaded, and addresses for others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from e2e3d.client.commands.group import command
from e2e3d.client.commands.options import JOBS, JobName, Json, Url
from e2e3d.client.commands.output import moment, put, put_list, say
from e2e3d.errors import SettingsError

app = typer.Typer()

_LINKS_AT_ONCE = 200


@command(app, panel=JOBS)
def results(job: JobName, as_json: Json = False, url: Url = None) -> int:
    """List the files that a job has made so far."""
    from e2e3d.client import Client
    from e2e3d.client.commands.service import job_id
    from e2e3d.client.display import size

    with Client(url) as client:
        found = client.results(job_id(client, job))
    put_list(found, ("FILE", "SIZE", "TYPE"), lambda one: (one.path, size(one.bytes), one.media_type), as_json)
    return 0


@command(app, panel=JOBS)
def download(
    job: JobName,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the results.")],
    files: Annotated[
        list[str] | None, typer.Option("--file", metavar="PATH", help="Only this file, such as model.glb.")
    ] = None,
    archive: Annotated[bool, typer.Option("--archive", help="Write one zip archive OUT instead of a folder.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Download what a job has made, also what a failed one has left; the same command resumes."""
    from e2e3d.client import Client
    from e2e3d.client.commands.service import job_id
    from e2e3d.client.display import transfer_display

    if archive and files:
        raise SettingsError("bad-option", "An archive holds all files.", "Leave out --archive or --file.")
    with Client(url) as client, transfer_display("downloading") as show:
        found = job_id(client, job)
        if archive:
            paths: tuple[Path, ...] = (client.download_archive(found, out, show),)
        else:
            paths = client.download(found, out, files or None, progress=show)
    if as_json:
        put(json.dumps([str(path) for path in paths]))
    else:
        for path in paths:
            put(str(path))
    return 0


@command(app, panel=JOBS)
def links(
    job: JobName,
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="Such as model.glb; default all.")
    ] = None,
    hours: Annotated[float, typer.Option(min=0.01, max=168, help="How long they work.")] = 1.0,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Print addresses that download results without a sign-in, for browsers and colleagues, until they expire."""
    from e2e3d.client import Client
    from e2e3d.client.commands.service import job_id

    with Client(url) as client:
        found = job_id(client, job)
        paths = files or [one.path for one in client.results(found)]
        groups = [paths[start : start + _LINKS_AT_ONCE] for start in range(0, len(paths), _LINKS_AT_ONCE)]
        answers = [client.result_links(found, group, round(3600 * hours)) for group in groups]
    items = [link for answer in answers for link in answer.items]
    put_list(items, ("FILE", "ADDRESS"), lambda link: (link.path, link.url), as_json)
    if answers:
        say(f"They work until {moment(answers[0].expires_at)} UTC for whoever has them.")
    return 0
