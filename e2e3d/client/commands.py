"""The commands that use a service: login, logout, upload, submit, watch, list, download, cancel, delete.

What a script wants goes to standard output, everything for people to standard error.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

Reporting = Callable[[Callable[[], int]], int]
Url = Annotated[str | None, typer.Option(help="Of the service; default E2E3D_URL, or where you signed in last.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]


def login(
    url: Url = None,
    email: Annotated[str | None, typer.Option(help="Asked for when it is not given.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> int:
    """Sign in to a service; later commands use it."""
    try:
        address = email or typer.prompt("Email", err=True)
        password = (
            sys.stdin.readline().rstrip("\n") if password_stdin else typer.prompt("Password", hide_input=True, err=True)
        )
    except typer.Abort as error:
        raise KeyboardInterrupt from error

    from e2e3d.client import actions

    return actions.login(url, address, password)


def logout(url: Url = None) -> int:
    """End the sign-in."""
    from e2e3d.client import actions

    return actions.logout(url)


def upload(
    photos: Annotated[list[Path], typer.Argument(help="Folders, photographs, zip archives.")],
    to: Annotated[str | None, typer.Option(metavar="SET", help="Add to this image set.")] = None,
    name: Annotated[str | None, typer.Option(help="Of a new image set; default: that of the first path.")] = None,
    new: Annotated[bool, typer.Option("--new", help="Make a new set even if these paths have one.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Send photographs and print the id of their image set; the same command resumes, and sends nothing twice."""
    from e2e3d.client import actions

    return actions.upload(url, photos, to, name, new, as_json)


def submit(
    image_set: Annotated[str, typer.Argument(metavar="SET", help="Id of the image set.")],
    quality: Annotated[str, typer.Option(help="preview, low, medium, high or ultra.")] = "medium",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="STAGE.FIELD=VALUE", help="Change a setting; may be repeated."),
    ] = None,
    outputs: Annotated[
        list[str] | None,
        typer.Option("--output", help="sparse, cloud, mesh, obj, glb, report, depth; may be repeated."),
    ] = None,
    name: Annotated[str, typer.Option(help="What you call it.")] = "",
    webhook: Annotated[str | None, typer.Option(help="URL that is told of every change of state.")] = None,
    follow: Annotated[bool, typer.Option("--watch", help="Wait until it has ended.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Queue a reconstruction and print the id of the job."""
    from e2e3d.client import actions

    asked = actions.Submission(image_set, quality, changes or [], outputs or [], name, webhook)
    return actions.submit(url, asked, follow, as_json)


def watch(job: JobId, as_json: Json = False, url: Url = None) -> int:
    """Follow a job to its end; exit code 4 if it made no model."""
    from e2e3d.client import actions

    return actions.watch(url, job, as_json)


def listing(
    sets: Annotated[bool, typer.Option("--sets", help="Image sets instead of jobs.")] = False,
    state: Annotated[
        str | None, typer.Option(help="Only jobs that are queued, running, succeeded, failed or cancelled.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """List your jobs, newest first."""
    from e2e3d.client import actions

    return actions.listing(url, sets, state, limit, as_json)


def download(
    job: JobId,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the results.")],
    files: Annotated[
        list[str] | None, typer.Option("--file", metavar="PATH", help="Only this file, such as model.glb.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Download what a job has made, also what a failed one has left; the same command resumes."""
    from e2e3d.client import actions

    return actions.download(url, job, out, files, as_json)


def cancel(
    job: JobId,
    wait: Annotated[bool, typer.Option(help="Wait until its work has stopped.")] = True,
    url: Url = None,
) -> int:
    """Stop a job."""
    from e2e3d.client import actions

    return actions.cancel(url, job, wait)


def delete(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Of jobs that have ended.")],
    sets: Annotated[bool, typer.Option("--sets", help="The ids are those of image sets.")] = False,
    url: Url = None,
) -> int:
    """Delete jobs with their results, or image sets."""
    from e2e3d.client import actions

    return actions.delete(url, ids, sets)


_COMMANDS: tuple[Callable[..., int], ...] = (
    login,
    logout,
    upload,
    submit,
    watch,
    listing,
    download,
    cancel,
    delete,
)


def register(app: typer.Typer, reporting: Reporting, epilog: str) -> None:
    """Add the commands to the program; `reporting` turns errors into messages and exit codes."""
    for command in _COMMANDS:
        app.command("list" if command is listing else None, epilog=epilog)(_ending(command, reporting))


def _ending(command: Callable[..., int], reporting: Reporting) -> Callable[..., None]:
    @functools.wraps(command)
    def ending(**arguments: Any) -> None:
        sys.exit(reporting(lambda: command(**arguments)))

    return ending
