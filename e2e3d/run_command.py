"""The command ``e2e3d run``."""

from __future__ import annotations

import enum
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from e2e3d.client.commands.options import Changes, Intrinsics, KnownDistance, Quality, Scale
from e2e3d.runtime.reporting import end_supervised, reporting

if TYPE_CHECKING:
    from e2e3d.inspection.result import Result
    from e2e3d.pipeline.run import RunRequest


class DeviceChoice(enum.StrEnum):
    """Where units that can use a GPU run."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class ExecutorChoice(enum.StrEnum):
    """What computes a run."""

    ray = "ray"
    inprocess = "inprocess"


Photos = Annotated[Path, typer.Argument(help="A folder, a zip archive or a video.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="The result folder; the same one again resumes.")]
Masks = Annotated[Path | None, typer.Option(help="Folder or zip archive of masks (non-zero = use).")]
Address = Annotated[
    str | None, typer.Option(help="Join a running Ray cluster; all its nodes must reach the store (E2E3D_STORE).")
]
OnDevice = Annotated[DeviceChoice | None, typer.Option(help="auto uses a GPU where there is one.")]
KeepDepth = Annotated[bool, typer.Option("--keep-depth", help="Also export the depth maps.")]
Tiles = Annotated[
    bool | None,
    typer.Option(
        "--tiles/--no-tiles", help="Export 3D Tiles and COPC, too; by itself, what is too large for one file."
    ),
]
LeftOut = Annotated[
    str | None, typer.Option(metavar="N|A,B", help="Keep every N-th photograph, or these, out; see evaluate.")
]
Poses = Annotated[
    Path | None,
    typer.Option(help="Cameras and poses to take as they are: COLMAP, transforms.json, .camera files or JSON."),
]
Stages = Annotated[
    list[str] | None,
    typer.Option(metavar="KIND=NAME", help="Use a registered stage of one's own; see docs/plugins.md. Repeatable."),
]
OnExecutor = Annotated[
    ExecutorChoice,
    typer.Option(help="inprocess runs without Ray, one unit after another, so that a debugger can follow."),
]
DebugDump = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Write what mesh and texture decided as pictures there.")
]


def run(
    photos: Photos,
    out: Out,
    quality: Quality = "medium",
    changes: Changes = None,
    intrinsics: Intrinsics = None,
    masks: Masks = None,
    scale: Scale = None,
    known_distance: KnownDistance = None,
    address: Address = None,
    device: OnDevice = None,
    keep_depth: KeepDepth = False,
    tiles: Tiles = None,
    leave_out: LeftOut = None,
    poses: Poses = None,
    stage: Stages = None,
    executor: OnExecutor = ExecutorChoice.ray,
    debug_dump: DebugDump = None,
) -> None:
    """Reconstruct a textured model from photographs."""

    def work() -> int:
        from e2e3d.client.commands.parsing import parse_distance
        from e2e3d.config.overrides import parse_assignments
        from e2e3d.config.run_options import parse_leave_out
        from e2e3d.pipeline.plugins import parse_choices
        from e2e3d.pipeline.read_request import read_options, read_request

        distance = None if known_distance is None else parse_distance(known_distance)
        left_out = None if leave_out is None else parse_leave_out(leave_out)
        options = read_options(
            intrinsics,
            masks,
            scale=scale,
            known_distance=distance,
            keep_depth=keep_depth,
            left_out=left_out,
            tiles=tiles,
        )
        settings, stages = parse_assignments(changes or []), parse_choices(stage or [])
        request = read_request(photos, quality, settings, options, stages, poses)
        return _run(request, out, address, device, executor, debug_dump)

    if executor is ExecutorChoice.inprocess:  # no processes around it, between a debugger and the terminal
        sys.exit(reporting(work))
    end_supervised(work)


def _run(
    request: RunRequest,
    out: Path,
    address: str | None,
    device: DeviceChoice | None,
    executor: ExecutorChoice,
    dump: Path | None,
) -> int:
    """Run it with progress on the terminal, and say what came out."""
    from e2e3d.api import run_job
    from e2e3d.config.deployment import load_settings
    from e2e3d.pipeline.cancellation import CancelToken, cancel_on_signals
    from e2e3d.pipeline.progress_display import duration, open_display

    started_s = time.monotonic()
    settings, cancel, display = load_settings(ray_address=address, device=device), CancelToken(), open_display()
    try:
        with cancel_on_signals(cancel):
            result = run_job(request, out, settings, display, cancel, executor.value)
            if dump is not None:
                _write_decisions(dump, result, request)
    finally:
        display.close()
    _say(result, duration(time.monotonic() - started_s))
    return 0


def _say(result: Result, duration: str) -> None:
    from e2e3d.outputs.summary import reason_lines

    paths = result.paths
    for title, path in (("model", paths.glb), ("dense cloud", paths.cloud), ("report", paths.report)):
        typer.echo(f"{title:<12} {path}")
    typer.echo(f"{'judgement':<12} {result.judgement.verdict}")
    for line in reason_lines(result.judgement):
        typer.echo(line)
    typer.echo(f"{'time':<12} {duration}")
    if result.inside.store.local:  # a server would be asked for the size of every result
        typer.echo(f"{'store':<12} {result.size() / 1e6:,.0f} MB in {result.inside.store.url}")


def _write_decisions(folder: Path, result: Result, request: RunRequest) -> None:
    from e2e3d.outputs.debug_dump import write_decisions
    from e2e3d.runtime.threads import core_count

    write_decisions(folder, result.records, request.config.mesh, core_count())
