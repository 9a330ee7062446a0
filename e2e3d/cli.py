"""The command line: ``e2e3d run | sample | info | evaluate | compile | serve``, and the commands that use a service."""

from __future__ import annotations

import enum
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from e2e3d.batch.batch_command import batch
from e2e3d.client.commands import AdminCommands, ServiceCommands, add_groups
from e2e3d.client.commands.options import LOCAL, MANAGE
from e2e3d.runtime.reporting import EXIT_CODES, end_supervised, reporting
from e2e3d.service.administration.storage_command import prepare_storage
from e2e3d.service.backup.backup_commands import backup, restore
from e2e3d.service.diagnosis.doctor_command import doctor

if TYPE_CHECKING:
    from e2e3d.inspection.result import Result
    from e2e3d.pipeline.run import RunRequest
    from e2e3d.tasks.open_executor import ExecutorName

app = typer.Typer(
    name="e2e3d",
    cls=ServiceCommands,
    help="Photographs in, textured 3D models out.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


admin = typer.Typer(
    cls=AdminCommands, help="The service itself, for administrators and those who run it.", no_args_is_help=True
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            installed = version("e2e3d")
        except PackageNotFoundError:  # the client alone
            installed = version("e2e3d-client")
        typer.echo(f"e2e3d {installed}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Photographs in, textured 3D models out."""


class Device(enum.StrEnum):
    """Where units that can use a GPU run."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Executor(enum.StrEnum):
    """What computes a run."""

    ray = "ray"
    inprocess = "inprocess"


@app.command(epilog=EXIT_CODES, rich_help_panel=LOCAL)
def run(
    photos: Annotated[Path, typer.Argument(help="A folder, a zip archive or a video.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The result folder; the same one again resumes.")],
    quality: Annotated[str, typer.Option(help="preview, low, medium, high or ultra.")] = "medium",
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="STAGE.FIELD=VALUE", help="Change a setting; may be repeated.")
    ] = None,
    intrinsics: Annotated[
        Path | None, typer.Option(help="Text file with the 3 x 3 matrix K of all photographs.")
    ] = None,
    masks: Annotated[Path | None, typer.Option(help="Folder or zip archive of masks (non-zero = use).")] = None,
    scale: Annotated[float | None, typer.Option(help="Metres per unit of the model, where that is known.")] = None,
    known_distance: Annotated[
        str | None, typer.Option(metavar="A,B,METRES", help="Distance between the cameras of photographs A and B.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Join a running Ray cluster; all its nodes must reach the store (E2E3D_STORE).")
    ] = None,
    device: Annotated[Device | None, typer.Option(help="auto uses a GPU where there is one.")] = None,
    keep_depth: Annotated[bool, typer.Option("--keep-depth", help="Also export the depth maps.")] = False,
    tiles: Annotated[
        bool | None,
        typer.Option(
            "--tiles/--no-tiles", help="Export 3D Tiles and COPC, too; by itself, what is too large for one file."
        ),
    ] = None,
    leave_out: Annotated[
        str | None, typer.Option(metavar="N|A,B", help="Keep every N-th photograph, or these, out; see evaluate.")
    ] = None,
    poses: Annotated[
        Path | None,
        typer.Option(help="Cameras and poses to take as they are: COLMAP, transforms.json, .camera files or JSON."),
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND=NAME", help="Use a registered stage of one's own; see docs/plugins.md. Repeatable."),
    ] = None,
    executor: Annotated[
        Executor,
        typer.Option(help="inprocess runs without Ray, one unit after another, so that a debugger can follow."),
    ] = Executor.ray,
    debug_dump: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write what mesh and texture decided as pictures there.")
    ] = None,
) -> None:
    """Reconstruct a textured model from photographs."""

    def work() -> int:
        from e2e3d.client.commands.parsing import parse_distance
        from e2e3d.config.overrides import parse_assignments
        from e2e3d.config.run_options import RunOptions, parse_leave_out
        from e2e3d.pipeline.plugins import choose_plugins, parse_choices
        from e2e3d.pipeline.run import RunRequest
        from e2e3d.pipeline.sources.read_poses import read_poses
        from e2e3d.pipeline.sources.source_set import read_calibration

        options = RunOptions(
            intrinsics=None if intrinsics is None else read_calibration(intrinsics),
            masks=masks,
            scale=scale,
            known_distance=None if known_distance is None else parse_distance(known_distance),
            keep_depth=keep_depth,
            left_out=None if leave_out is None else parse_leave_out(leave_out),
            tiles=tiles,
        )
        request = RunRequest(
            photos,
            quality,
            parse_assignments(changes or []),
            options,
            choose_plugins(parse_choices(stage or [])),
            None if poses is None else read_poses(poses),
        )
        given = {"ray_address": address, "device": device.value if device else None}
        changes_given = {name: value for name, value in given.items() if value is not None}
        return _run(request, out, changes_given, executor.value, debug_dump)

    if executor is Executor.inprocess:  # no processes around it, which would stand between a debugger and the terminal
        sys.exit(reporting(work))
    end_supervised(work)


app.command(rich_help_panel=LOCAL)(batch)


@app.command(rich_help_panel=LOCAL)
def sample(folder: Annotated[Path, typer.Argument(help="Where to write it.")]) -> None:
    """Write a sample set: photographs of a made-up scene, with its exact cameras and surface."""

    def work() -> int:
        from e2e3d.outputs.sample_set import write_sample

        images = write_sample(folder)
        typer.echo(f"Sample set written. Reconstruct it with: e2e3d run {images} -o {folder / 'model'}")
        return 0

    sys.exit(reporting(work))


@app.command("compile", rich_help_panel=LOCAL)
def compile_() -> None:
    """Compile the kernels for this machine ahead of the first job; a machine set up by make has done it."""

    def work() -> int:
        from e2e3d.runtime.kernel_cache import compiled_mark

        if not compiled_mark().exists():
            typer.echo("Compiling the kernels for this processor (a minute or two)")
            from e2e3d.pipeline.compile_ahead import compile_kernels

            compile_kernels()
        typer.echo(f"The kernels are compiled: {compiled_mark().parent}")
        return 0

    sys.exit(reporting(work))


@app.command(epilog=EXIT_CODES, rich_help_panel=LOCAL)
def tiles(out: Annotated[Path, typer.Argument(help="The result folder of a run.")]) -> None:
    """Write the model of a finished run as 3D Tiles and its cloud as COPC, for viewers that stream."""

    def work() -> int:
        from e2e3d.inspection.result import open_result

        for path in open_result(out).write_tiles():
            typer.echo(path)
        return 0

    sys.exit(reporting(work))


@app.command(rich_help_panel=LOCAL)
def info(out: Annotated[Path, typer.Argument(help="The result folder of a run.")]) -> None:
    """Print what came out of a run."""

    def work() -> int:
        from e2e3d.outputs.manifest import read_manifest
        from e2e3d.outputs.summary import summary

        typer.echo(summary(read_manifest(out)))
        return 0

    sys.exit(reporting(work))


@app.command(rich_help_panel=LOCAL)
def evaluate(
    out: Annotated[Path, typer.Argument(help="The result folder of a run.")],
    cameras: Annotated[Path | None, typer.Option(help="Reference poses: COLMAP, JSON or .camera files.")] = None,
    photos: Annotated[Path | None, typer.Option(help="The photographs, for virtual rephotography.")] = None,
    surface: Annotated[Path | None, typer.Option(help="Folder with an exact surface and its gt_model.")] = None,
    dump: Annotated[Path | None, typer.Option(help="Write each photograph beside its rendering here.")] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Also score photographs that are no part of the result (--cameras).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Compare a result with references: camera error, rephotography score, F-score."""

    def work() -> int:
        from e2e3d.outputs.evaluation.evaluate import evaluate as judge

        result = judge(out, cameras, photos, surface, dump, held_out)
        typer.echo(result.to_json() if as_json else result.to_table())
        return 0

    sys.exit(reporting(work))


@app.command(epilog=EXIT_CODES, rich_help_panel=LOCAL)
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (E2E3D_HOST; default 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (E2E3D_PORT; default 8000).")] = None,
    replicas: Annotated[int | None, typer.Option(help="Processes that answer HTTP (E2E3D_REPLICAS).")] = None,
    address: Annotated[str | None, typer.Option(help="Join a running Ray cluster (E2E3D_RAY_ADDRESS).")] = None,
) -> None:
    """Run the service: photographs in over HTTP, models out."""

    def work() -> int:
        from e2e3d.serve.serve_command import serve as run_service

        given = {"host": host, "port": port, "replicas": replicas, "ray_address": address}
        return run_service({name: value for name, value in given.items() if value is not None})

    end_supervised(work, patience_s=15.0)


@admin.command(epilog=EXIT_CODES)
def prepare() -> None:
    """Migrate the database, and make the first administrator where there is none; `e2e3d serve` does it by itself.

    For clusters where Ray Serve is started by somebody else, such as KubeRay. A random password is printed once.
    """

    def work() -> int:
        from e2e3d.serve.serve_command import prepare_service

        prepare_service()
        return 0

    sys.exit(reporting(work))


@admin.command(epilog=EXIT_CODES)
def verify(
    place: Annotated[
        str | None, typer.Argument(metavar="[PLACE]", help="Where backups are kept: verify one of them instead.")
    ] = None,
    backup_id: Annotated[str | None, typer.Option("--id", help="Which backup; the newest otherwise.")] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Also read every file, and compare its SHA-256.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """List photographs and results that the database names and the store has lost; exit code 5 if there are any.

    It may run beside the service, with the same settings, and changes nothing in the store. The next upload of the same
    photographs writes them again. A backup is restored into a scratch place, and every object in it is read.
    """

    def work() -> int:
        if place is not None:
            from e2e3d.service.backup.backup_run import run_verify

            return run_verify(place, backup_id, as_json)
        from e2e3d.service.verification.command import verify_store

        return verify_store(deep, as_json)

    sys.exit(reporting(work))


@admin.command(epilog=EXIT_CODES)
def logs(
    wanted: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Of a job, request, unit or user; without one, every line.")
    ] = None,
    folder: Annotated[
        Path, typer.Option(envvar="E2E3D_LOG_FOLDER", help="Where the collector keeps its files.")
    ] = Path("/var/log/e2e3d"),
    level: Annotated[str, typer.Option(help="Lowest level: debug, info, warning or error.")] = "debug",
    since: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="First day.")] = None,
    last: Annotated[int | None, typer.Option(min=1, help="Only so many lines, the last ones.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print lines of JSON.")] = False,
) -> None:
    """Print what all processes logged of a job, on the machine of the collector of logs (cluster/rsyslog)."""

    def work() -> int:
        from e2e3d.runtime.collected_logs import print_logs

        return print_logs(folder, wanted, level, since, last, as_json)

    sys.exit(reporting(work))


def _run(request: RunRequest, out: Path, given: dict[str, str], executor: ExecutorName, dump: Path | None) -> int:
    """Run it with progress on the terminal; `given` changes the settings of the deployment."""
    from e2e3d.api import run_job
    from e2e3d.config.deployment import load_settings
    from e2e3d.outputs.summary import reason_lines
    from e2e3d.pipeline.cancellation import CancelToken, cancel_on_signals
    from e2e3d.pipeline.progress_display import duration, open_display

    started_s = time.monotonic()
    settings = load_settings().model_copy(update=given)
    cancel = CancelToken()
    display = open_display()
    try:
        with cancel_on_signals(cancel):
            result = run_job(request, out, settings, display, cancel, executor)
            if dump is not None:
                _write_decisions(dump, result, request)
    finally:
        display.close()
    paths = result.paths
    for title, path in (("model", paths.glb), ("dense cloud", paths.cloud), ("report", paths.report)):
        typer.echo(f"{title:<12} {path}")
    typer.echo(f"{'judgement':<12} {result.judgement.verdict}")
    for line in reason_lines(result.judgement):
        typer.echo(line)
    typer.echo(f"{'time':<12} {duration(time.monotonic() - started_s)}")
    if result.inside.store.local:  # a server would be asked for the size of every result
        typer.echo(f"{'store':<12} {result.size() / 1e6:,.0f} MB in {result.inside.store.url}")
    return 0


def _write_decisions(folder: Path, result: Result, request: RunRequest) -> None:
    from e2e3d.outputs.debug_dump import write_decisions
    from e2e3d.runtime.threads import core_count

    write_decisions(folder, result.records, request.config.mesh, core_count())


for operation in (backup, restore, doctor, prepare_storage):
    admin.command(epilog=EXIT_CODES)(operation)
add_groups(app)
app.add_typer(admin, name="admin", rich_help_panel=MANAGE)
