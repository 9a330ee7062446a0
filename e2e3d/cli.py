"""The command line: ``e2e3d run | sample | info | evaluate | compile | serve``, and the commands that use a service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from e2e3d.batch.batch_command import batch
from e2e3d.client.commands import AdminCommands, ServiceCommands, add_groups
from e2e3d.client.commands.options import LOCAL, MANAGE
from e2e3d.run_command import run
from e2e3d.runtime.reporting import EXIT_CODES, end_supervised, reporting
from e2e3d.service.administration.storage_command import prepare_storage
from e2e3d.service.backup.backup_commands import backup, restore
from e2e3d.service.diagnosis.doctor_command import doctor

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


app.command(epilog=EXIT_CODES, rich_help_panel=LOCAL)(run)
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


for operation in (backup, restore, doctor, prepare_storage):
    admin.command(epilog=EXIT_CODES)(operation)
add_groups(app)
app.add_typer(admin, name="admin", rich_help_panel=MANAGE)
