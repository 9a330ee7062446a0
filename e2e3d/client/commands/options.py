"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LOCAL = "On this machine"
JOBS = "Jobs of a service"
SIGN_IN = "Signing in"
MANAGE = "Everything else in a service"

QUALITIES = ("preview", "low", "medium", "high", "ultra")
OUTPUTS = ("sparse", "cloud", "mesh", "obj", "glb", "report", "depth", "tiles")
STATES = ("queued", "running", "succeeded", "failed", "cancelled")
EVENTS = tuple(f"job.{state}" for state in STATES)
SCOPES = ("read", "write", "admin")


def _one_of(values: tuple[str, ...]) -> str:
    return f"{', '.join(values[:-1])} or {values[-1]}"


Url = Annotated[str | None, typer.Option(help="Of the service; default E2E3D_URL, or where you signed in last.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Limit = Annotated[int, typer.Option(min=1, help="How many at most.")]
JobName = Annotated[str, typer.Argument(metavar="JOB", help="Id or name of the job.")]
SetName = Annotated[str, typer.Argument(metavar="SET", help="Id or name of the image set.")]
Search = Annotated[str | None, typer.Option(metavar="TEXT", help="Only those whose names contain this.")]
Quality = Annotated[str, typer.Option(help=f"{_one_of(QUALITIES)}.", autocompletion=lambda: QUALITIES)]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="STAGE.FIELD=VALUE", help="Change a setting; may be repeated.")
]
Intrinsics = Annotated[Path | None, typer.Option(help="Text file with the 3 x 3 matrix K of all photographs.")]
Scale = Annotated[float | None, typer.Option(help="Metres per unit of the model, where that is known.")]
KnownDistance = Annotated[
    str | None, typer.Option(metavar="A,B,METRES", help="Distance between the cameras of photographs A and B.")
]
Outputs = Annotated[
    list[str] | None,
    typer.Option("--output", help=f"{_one_of(OUTPUTS)}; may be repeated.", autocompletion=lambda: OUTPUTS),
]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", help=f"Only {_one_of(EVENTS)}; may be repeated.", autocompletion=lambda: EVENTS),
]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
QuotaPhotos = Annotated[int | None, typer.Option(min=0, help="Photographs of one job at most.")]
QuotaBytes = Annotated[str | None, typer.Option(metavar="SIZE", help="Stored bytes at most, such as 100GB.")]
QuotaJobs = Annotated[int | None, typer.Option(min=0, help="Unfinished jobs at once at most.")]
Role = Annotated[str | None, typer.Option(help="user or admin.", autocompletion=lambda: ("user", "admin"))]
