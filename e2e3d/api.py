"""The Python interface: ``e2e3d.reconstruct(photos, out)``, and ``e2e3d.open(out)`` for what it made."""

from __future__ import annotations

import contextlib
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from e2e3d.config.deployment import Settings, load_settings
from e2e3d.config.run_config import Config
from e2e3d.config.run_options import LeaveOut
from e2e3d.errors import CancelledError, E2E3DError, SettingsError

if TYPE_CHECKING:
    from e2e3d.data.scene import Scene
    from e2e3d.inspection.result import Result
    from e2e3d.outputs.evaluation.evaluate import Evaluation
    from e2e3d.pipeline.base_executor import StoreExecutor
    from e2e3d.pipeline.cancellation import CancelToken
    from e2e3d.pipeline.pass_log import PassLog
    from e2e3d.pipeline.pipeline import Milestone
    from e2e3d.pipeline.plugins import Given
    from e2e3d.pipeline.progress import ProgressReport
    from e2e3d.pipeline.run import RunExtent, RunRequest
    from e2e3d.tasks.open_executor import ExecutorName

PathLike = str | os.PathLike[str]
Listener = Callable[["ProgressReport"], None]

log = logging.getLogger(__name__)


def open(out: PathLike) -> Result:  # noqa: A001 - as e2e3d.open
    """Open a finished reconstruction: nothing is computed, and nothing is written.

    Args:
        out: the folder that :func:`reconstruct` or ``e2e3d run`` wrote. Records load from the store that the run used,
            which must be reachable.

    Raises:
        InputError: ``no-result`` or ``bad-manifest`` where there is no finished result, ``no-records`` where the
            folder has no records (a download of a service has none).
    """
    from e2e3d.inspection.result import open_result

    return open_result(Path(out))


def reconstruct(
    photos: PathLike,
    out: PathLike,
    quality: str | None = None,
    settings: Mapping[str, object] | Config | None = None,
    intrinsics: PathLike | None = None,
    masks: PathLike | None = None,
    address: str | None = None,
    device: str | None = None,
    executor: ExecutorName = "ray",
    progress: Listener | Literal["auto"] | None = "auto",
    *,
    scale: float | None = None,
    known_distance: tuple[str, str, float] | None = None,
    keep_depth: bool = False,
    left_out: LeaveOut | None = None,
    poses: PathLike | Scene | None = None,
    tiles: bool | None = None,
    stages: Mapping[str, Given] | None = None,
    until: Milestone | None = None,
    export: bool = True,
    only_stored: bool = False,
) -> Result:
    """Reconstruct a textured model from photographs.

    The same call on the same folder resumes a run that was stopped, and reuses every result that other settings do not
    change. Where all of it is there already, nothing is written.

    Args:
        photos: a folder, a zip archive or a video.
        out: the result folder; results of stages are kept in ``.e2e3d`` inside it unless E2E3D_STORE is set.
        quality: ``preview``, ``low``, ``medium``, ``high`` or ``ultra``; None = that of a :class:`Config`, or medium.
        settings: changes to the preset, such as ``{"depth.max_size_px": 768}``, also nested by stage; or all settings
            as a :class:`Config`.
        intrinsics: a text file with the 3 x 3 calibration matrix of all photographs.
        masks: a folder or zip archive of masks.
        address: of a running Ray cluster; None = E2E3D_RAY_ADDRESS or RAY_ADDRESS, else a private Ray on this machine.
        device: ``auto``, ``cpu`` or ``cuda``; None = E2E3D_DEVICE.
        executor: ``ray``, or ``inprocess``: one unit after another in this process, where a debugger can follow.
        progress: called with the state of the run after every event; ``auto`` shows a bar in notebooks.
        scale: metres per unit of the model, where that is known.
        known_distance: names of two photographs, and the metres between their cameras.
        keep_depth: also export the depth maps.
        left_out: photographs to keep out, to judge the model by: every n-th, or by name.
        poses: cameras and poses from elsewhere, which stay as they are, in their own frame and scale: a COLMAP model, a
            ``transforms.json`` of nerfstudio or a scanning app, a folder of ``.camera`` files, JSON with ``K``, ``R``
            and ``t``, or a :class:`~e2e3d.data.scene.Scene`. Photographs are found by their names; those without a
            pose take no part.
        tiles: export the model as 3D Tiles and the cloud as COPC, too; None = what is too large for one file.
        stages: of one's own, by what they do: ``masks``, ``features``, ``matching``, ``depth`` or ``depth_start``; each
            a function, a :class:`~e2e3d.stages.stage.Stage`, or the name that it is registered under (docs/plugins.md).
        until: the last thing to make: ``mapping``, ``cloud`` or ``mesh``. Nothing is exported then.
        export: whether files are written into `out`, beside the store.
        only_stored: nothing may be computed: what is not stored is named by an error, such as after a forgotten option.

    Raises:
        E2E3DError: SettingsError, InputError, ReconstructionError, MachineError or CancelledError, by cause; the last
            one also when the run is interrupted (Ctrl-C, or the stop button of a notebook).
    """
    from e2e3d.pipeline.read_request import read_options, read_request
    from e2e3d.pipeline.run import RunExtent

    deployment = load_settings(ray_address=address, device=device)
    options = read_options(
        intrinsics,
        masks,
        scale=scale,
        known_distance=known_distance,
        keep_depth=keep_depth,
        left_out=left_out,
        tiles=tiles,
    )
    request = read_request(photos, *_settings_of(quality, settings), options, stages, poses)
    extent = RunExtent(until, export, only_stored)
    with listening(progress) as listener:
        try:
            return run_job(request, Path(out), deployment, listener, None, executor, extent)
        except KeyboardInterrupt as error:
            raise CancelledError from error


def evaluate(
    result: Result | PathLike,
    cameras: PathLike | None = None,
    photos: PathLike | None = None,
    surface: PathLike | None = None,
    *,
    held_out: bool = False,
    dump: PathLike | None = None,
) -> Evaluation:
    """Judge a result against every reference given.

    Args:
        result: a result, or its folder.
        cameras: reference poses: a COLMAP model, a folder of ``.camera`` files, or JSON.
        photos: folder of the photographs, for virtual rephotography.
        surface: folder of an exact surface with its cameras in ``gt_model/``.
        held_out: also score the photographs that are no part of the result, at the poses that `cameras` has.
        dump: where to write each photograph beside its rendering.

    Returns:
        the figures, with those of every camera (``per_camera``) and photograph (``per_view``), and a ``plot()``.

    Raises:
        SettingsError: ``no-reference`` when nothing is given to compare with.
        InputError: when something cannot be read or compared.
    """
    from e2e3d.outputs.evaluation.evaluate import evaluate as judge

    out = Path(result) if isinstance(result, str | os.PathLike) else result.paths.out
    return judge(out, _path(cameras), _path(photos), _path(surface), _path(dump), held_out)


def _path(given: PathLike | None) -> Path | None:
    return None if given is None else Path(given)


def _settings_of(
    quality: str | None, settings: Mapping[str, object] | Config | None
) -> tuple[str, Mapping[str, object]]:
    """The preset and the changes to it. Raises SettingsError ``bad-setting`` for a Config of another or as one."""
    if isinstance(quality, Config):
        raise SettingsError("bad-setting", "quality is the name of a preset, not a Config.", "Give it as settings=….")
    if not isinstance(settings, Config):
        return quality or "medium", settings or {}
    if quality not in (None, settings.quality):
        message = f"quality is {quality}, and the Config began as {settings.quality}."
        raise SettingsError("bad-setting", message, "Leave quality out, or begin with Config.preset of it.")
    return settings.quality, settings.changes


@contextlib.contextmanager
def listening(progress: Listener | Literal["auto"] | None) -> Iterator[Listener]:
    """What receives the progress of a run: the function given, or in notebooks a bar.

    Raises:
        SettingsError: ``bad-setting`` for anything else.
    """
    from e2e3d.pipeline.notebook_display import open_notebook_display
    from e2e3d.pipeline.progress_display import CallbackDisplay

    if not (progress is None or progress == "auto" or callable(progress)):
        raise SettingsError("bad-setting", f"progress is {progress!r}.", "Give a function, 'auto' or None.")
    bar = open_notebook_display() if progress == "auto" else None
    display = CallbackDisplay(None if progress == "auto" else progress) if bar is None else bar
    try:
        yield display
    finally:
        display.close()


def run_job(
    request: RunRequest,
    out: Path,
    settings: Settings,
    listener: Listener,
    cancel: CancelToken | None = None,
    executor: ExecutorName = "ray",
    extent: RunExtent | None = None,
) -> Result:
    """One whole run on this machine: lock the folder, log into it, reconstruct, export. Errors as in reconstruct.

    `extent` says how far it goes; None = to the end.
    """
    from e2e3d.pipeline.cancellation import CancelToken
    from e2e3d.pipeline.history import cache_file
    from e2e3d.pipeline.pass_log import PassLog
    from e2e3d.pipeline.run import WHOLE_RUN, RunParts, open_run
    from e2e3d.pipeline.stored_only import StoredOnlyExecutor
    from e2e3d.pipeline.workspace import default_store, locked_folder
    from e2e3d.runtime.logs import run_logging
    from e2e3d.storage.store import ArtifactStore
    from e2e3d.tasks.open_executor import executor_opener

    if isinstance(request.source, Path) and out.resolve() == request.source.resolve():
        raise SettingsError(
            "output-is-source", f"{out} is the folder of the photographs.", "Name another folder for the results."
        )
    request.plugins.check(request.config)  # bad settings leave no folder behind
    if executor == "ray":
        request.plugins.require_importable()
    extent, passes = extent or WHOLE_RUN, PassLog()
    opener = StoredOnlyExecutor if extent.only_stored else executor_opener(settings, executor)
    started_s = time.monotonic()
    with locked_folder(out) as private, run_logging(private / "run.log", uuid.uuid4().hex[:12], settings.log_level):
        log.info("run of %s at quality %s with changes %s", request.source, request.quality, dict(request.changes))
        store = ArtifactStore(settings.store or default_store(out), settings.s3_options)
        store.sweep()
        parts = RunParts(store, opener, cache_file(), listener, cancel or CancelToken(), passes)
        try:
            with open_run(request, parts) as opened:
                result = finish(request, out, opened, passes, settings.store, extent)
        except E2E3DError as error:
            log.error("the run ended: %s: %s", error.code, error)
            raise
        log.info("finished in %.1f s", time.monotonic() - started_s)
        return result


def finish(
    request: RunRequest, out: Path, executor: StoreExecutor, passes: PassLog, store: str | None, extent: RunExtent
) -> Result:
    """Compute and export what is not there yet."""
    from e2e3d.inspection.result import Result, records_of
    from e2e3d.inspection.used_plugins import UsedPlugins
    from e2e3d.outputs.export import paths_of
    from e2e3d.outputs.manifest import read_manifest
    from e2e3d.pipeline.finished_run import facts_of, finished_before, outputs_intact
    from e2e3d.pipeline.record_index import index_of, write_index
    from e2e3d.pipeline.run import compute, export
    from e2e3d.pipeline.workspace import PRIVATE_FOLDER

    results, facts = compute(request, executor, extent.until)
    index = index_of(results, store or "", passes.passes)
    config = Config.preset(request.quality).replace(**request.changes)
    used = UsedPlugins(request.plugins.recorded(), request.plugins)
    inside = records_of(index, executor.store, results, config, used)
    if extent.until is not None or not extent.export:
        return Result(out, inside)
    earlier = finished_before(out, index, facts, request.options)
    if earlier is None or not outputs_intact(out, earlier):
        export(request, executor, out, results, facts if earlier is None else facts_of(earlier, facts))
        write_index(out / PRIVATE_FOLDER, index)
    manifest = read_manifest(out)
    return Result(out, inside, (paths_of(out, manifest), manifest))
