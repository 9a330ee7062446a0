"""The Python interface: ``e2e3d.reconstruct(photos, out)``."""

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
from e2e3d.config.run_options import Options
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
    from e2e3d.pipeline.progress import Progress, ProgressReport
    from e2e3d.tasks.executor import RayExecutor

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


def reconstruct(
    photos: PathLike,
    out: PathLike,
    quality: str = "medium",
    settings: Mapping[str, object] | None = None,
    intrinsics: PathLike | None = None,
    masks: PathLike | None = None,
    address: str | None = None,
    device: str | None = None,
    progress: Callable[[ProgressReport], None] | None = None,
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
        progress: called with the state of the run after every event.

    Raises:
        E2E3DError: SettingsError, InputError, ReconstructionError, MachineError or CancelledError, by cause.
    """
    from e2e3d.pipeline.progress_display import CallbackDisplay

    deployment = load_settings()
    changes = {name: value for name, value in (("ray_address", address), ("device", device)) if value is not None}
    options = Options(intrinsics=intrinsics, masks=masks)
    return run_job(
        Path(photos),
        Path(out),
        quality,
        settings or {},
        options,
        deployment.model_copy(update=changes),
        CallbackDisplay(progress),
    )


def run_job(
    photos: Path,
    out: Path,
    quality: str,
    changes: Mapping[str, object],
    options: Options,
    settings: Settings,
    listener: Callable[[ProgressReport], None],
    cancel: CancelToken | None = None,
) -> Result:
    """One whole run: lock the folder, connect the parts, reconstruct, export. Errors as in :func:`reconstruct`."""
    from e2e3d.config.presets import configure
    from e2e3d.outputs.manifest import read_manifest
    from e2e3d.pipeline.cancellation import CancelToken
    from e2e3d.pipeline.forecast import TYPICAL_MEGAPIXELS, stage_seconds
    from e2e3d.pipeline.history import History, cache_file
    from e2e3d.pipeline.progress import ProgressModel
    from e2e3d.pipeline.run import RunRequest, run_and_export
    from e2e3d.pipeline.workspace import locked_folder
    from e2e3d.runtime.logs import run_logging
    from e2e3d.runtime.threads import core_count

    if out.resolve() == photos.resolve():
        raise SettingsError(
            "output-is-source", f"{out} is the folder of the photographs.", "Name another folder for the results."
        )
    request = RunRequest(photos, quality, changes, options)
    config = configure(quality, changes)
    cancel = cancel or CancelToken()
    started_s = time.monotonic()
    with locked_folder(out) as private, run_logging(private / "run.log", uuid.uuid4().hex[:12], settings.log_level):
        log.info("run of %s at quality %s with changes %s", photos, quality, dict(changes))
        history = History(
            cache_file(),
            quality,
            lambda count: stage_seconds(count, TYPICAL_MEGAPIXELS, quality, core_count()),
        )
        executor = _open_executor(out, settings, ProgressModel(listener, history), cancel)
        try:
            results, paths = run_and_export(request, config, executor, out)
        except E2E3DError as error:
            log.error("the run ended: %s: %s", error.code, error)
            raise
        finally:
            history.save()
            executor.close()
        log.info("finished in %.1f s", time.monotonic() - started_s)
        return Result(paths, read_manifest(out), results)


def _open_executor(out: Path, settings: Settings, progress: Progress, cancel: CancelToken) -> RayExecutor:
    from e2e3d.pipeline.workspace import default_store
    from e2e3d.storage.store import ArtifactStore
    from e2e3d.tasks.ray_environment import protect_private_ray

    options = settings.s3_options
    store = ArtifactStore(settings.store or default_store(out), options)
    store.sweep()
    if settings.address is None:
        protect_private_ray()
    from e2e3d.tasks.executor import RayExecutor

    return RayExecutor(store, progress, cancel, settings.device, settings.address)
