"""The Python interface: ``e2e3d.reconstruct(photos, out)``, and ``e2e3d.open(out)`` for what it made."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from e2e3d.config.deployment import Settings, load_settings
from e2e3d.config.run_options import LeaveOut, RunOptions
from e2e3d.errors import E2E3DError, SettingsError

if TYPE_CHECKING:
    from e2e3d.data.dense import PointCloud
    from e2e3d.data.judgement import Judgement
    from e2e3d.data.mesh import Mesh, TexturedMesh
    from e2e3d.data.run_results import Results
    from e2e3d.data.scene import Scene
    from e2e3d.outputs.export import ExportedPaths
    from e2e3d.outputs.manifest import Manifest
    from e2e3d.pipeline.cancellation import CancelToken
    from e2e3d.pipeline.plugins import Given
    from e2e3d.pipeline.progress import ProgressReport
    from e2e3d.pipeline.run import RunRequest
    from e2e3d.tasks.open_executor import ExecutorName

PathLike = str | os.PathLike[str]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """A finished reconstruction. The large records are loaded from the store when they are asked for.

    Attributes:
        paths: the files in the output folder.
        manifest: what was made, how, and at what cost.
        records: references to the results of every stage.
    """

    paths: ExportedPaths
    manifest: Manifest
    records: Results

    @property
    def judgement(self) -> Judgement:
        """What the model is worth: ``good``, or ``doubtful`` with the reasons. A failed run raises instead."""
        assert self.manifest.judgement is not None  # every finished run is judged
        return self.manifest.judgement

    @property
    def scene(self) -> Scene:
        """Cameras, poses and sparse points."""
        return self.records.mapping.scene

    @property
    def cloud(self) -> PointCloud:
        """The dense cloud."""
        return self.records.cloud.load()

    @property
    def mesh(self) -> Mesh:
        """The surface."""
        return self.records.mesh.load()

    @property
    def textured(self) -> TexturedMesh:
        """The surface with its texture atlas."""
        return self.records.textured.load()


def open(out: PathLike) -> Result:  # noqa: A001 - as e2e3d.open
    """Open a finished reconstruction: nothing is computed, and nothing is written.

    Args:
        out: the folder that :func:`reconstruct` or ``e2e3d run`` wrote. Records load from the store that the run used,
            which must be reachable.

    Raises:
        InputError: ``no-result`` or ``bad-manifest`` where there is no finished result, ``no-records`` where the
            folder has no records (a download of a service has none).
    """
    from e2e3d.outputs.export import paths_of
    from e2e3d.outputs.manifest import read_manifest
    from e2e3d.pipeline.record_index import read_index, results_of
    from e2e3d.pipeline.workspace import PRIVATE_FOLDER, default_store
    from e2e3d.storage.store import ArtifactStore

    folder = Path(out)
    manifest = read_manifest(folder)
    index = read_index(folder / PRIVATE_FOLDER)
    store = ArtifactStore(index.store or default_store(folder), load_settings().s3_options)
    return Result(paths_of(folder, manifest), manifest, results_of(index, store.get))


def reconstruct(
    photos: PathLike,
    out: PathLike,
    quality: str = "medium",
    settings: Mapping[str, object] | None = None,
    intrinsics: PathLike | None = None,
    masks: PathLike | None = None,
    address: str | None = None,
    device: str | None = None,
    executor: ExecutorName = "ray",
    progress: Callable[[ProgressReport], None] | None = None,
    *,
    scale: float | None = None,
    known_distance: tuple[str, str, float] | None = None,
    keep_depth: bool = False,
    left_out: LeaveOut | None = None,
    stages: Mapping[str, Given] | None = None,
) -> Result:
    """Reconstruct a textured model from photographs.

    The same call on the same folder resumes a run that was stopped, and reuses every result that other settings do not
    change.

    Args:
        photos: a folder, a zip archive or a video.
        out: the result folder; results of stages are kept in ``.e2e3d`` inside it unless E2E3D_STORE is set.
        quality: ``preview``, ``low``, ``medium``, ``high`` or ``ultra``.
        settings: changes to the preset, such as ``{"depth.max_size_px": 768}``.
        intrinsics: a text file with the 3 x 3 calibration matrix of all photographs.
        masks: a folder or zip archive of masks.
        address: of a running Ray cluster; None = E2E3D_RAY_ADDRESS or RAY_ADDRESS, else a private Ray on this machine.
        device: ``auto``, ``cpu`` or ``cuda``; None = E2E3D_DEVICE.
        executor: ``ray``, or ``inprocess``: one unit after another in this process, where a debugger can follow.
        progress: called with the state of the run after every event.
        scale: metres per unit of the model, where that is known.
        known_distance: names of two photographs, and the metres between their cameras.
        keep_depth: also export the depth maps.
        left_out: photographs to keep out, to judge the model by: every n-th, or by name.
        stages: of one's own, by what they do: ``masks``, ``features``, ``matching``, ``depth`` or ``depth_start``; each
            a function, a :class:`~e2e3d.stages.stage.Stage`, or the name that it is registered under (docs/plugins.md).

    Raises:
        E2E3DError: SettingsError, InputError, ReconstructionError, MachineError or CancelledError, by cause.
    """
    from e2e3d.pipeline.plugins import choose_plugins
    from e2e3d.pipeline.progress_display import CallbackDisplay
    from e2e3d.pipeline.run import RunRequest
    from e2e3d.pipeline.sources.source_set import read_calibration

    deployment = load_settings()
    changes = {name: value for name, value in (("ray_address", address), ("device", device)) if value is not None}
    options = RunOptions(
        intrinsics=None if intrinsics is None else read_calibration(intrinsics),
        masks=None if masks is None else Path(masks),
        scale=scale,
        known_distance=known_distance,
        keep_depth=keep_depth,
        left_out=left_out,
    )
    request = RunRequest(Path(photos), quality, settings or {}, options, choose_plugins(stages or {}))
    return run_job(
        request, Path(out), deployment.model_copy(update=changes), CallbackDisplay(progress), executor=executor
    )


def run_job(
    request: RunRequest,
    out: Path,
    settings: Settings,
    listener: Callable[[ProgressReport], None],
    cancel: CancelToken | None = None,
    executor: ExecutorName = "ray",
) -> Result:
    """One whole run on this machine: lock the folder, log into it, reconstruct, export. Errors as in reconstruct."""
    from e2e3d.outputs.manifest import read_manifest
    from e2e3d.pipeline.cancellation import CancelToken
    from e2e3d.pipeline.history import cache_file
    from e2e3d.pipeline.record_index import write_index
    from e2e3d.pipeline.run import RunParts, open_run, run_and_export
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
    started_s = time.monotonic()
    with locked_folder(out) as private, run_logging(private / "run.log", uuid.uuid4().hex[:12], settings.log_level):
        log.info("run of %s at quality %s with changes %s", request.source, request.quality, dict(request.changes))
        store = ArtifactStore(settings.store or default_store(out), settings.s3_options)
        store.sweep()
        parts = RunParts(store, executor_opener(settings, executor), cache_file(), listener, cancel or CancelToken())
        try:
            with open_run(request, parts) as opened:
                results, paths = run_and_export(request, opened, out)
            write_index(private, results, "" if settings.store is None else settings.store)
        except E2E3DError as error:
            log.error("the run ended: %s: %s", error.code, error)
            raise
        log.info("finished in %.1f s", time.monotonic() - started_s)
        return Result(paths, read_manifest(out), results)
