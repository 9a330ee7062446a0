"""Which executor computes a run: Ray, or this process."""

from __future__ import annotations

from functools import partial
from typing import Literal, get_args

from e2e3d.config.deployment import Settings
from e2e3d.errors import SettingsError
from e2e3d.pipeline.base_executor import ArtifactObserver, StoreExecutor
from e2e3d.pipeline.cancellation import CancelToken
from e2e3d.pipeline.progress import Progress
from e2e3d.pipeline.run import OpenExecutor
from e2e3d.storage.store import ArtifactStore
from e2e3d.tasks.ray_environment import protect_private_ray

ExecutorName = Literal["ray", "inprocess"]
"""``inprocess`` runs one unit after another in the process of the caller, where a debugger can follow."""


def executor_opener(settings: Settings, name: ExecutorName = "ray") -> OpenExecutor:
    """What opens the executor of that name, on the device and the cluster of `settings`.

    Raises:
        SettingsError: ``bad-setting`` for another name.
    """
    if name not in get_args(ExecutorName):
        raise SettingsError("bad-setting", f"There is no executor {name}.", "Choose ray or inprocess.")
    return partial(_open_here if name == "inprocess" else _open_ray, settings)


def _open_here(
    settings: Settings, store: ArtifactStore, progress: Progress, cancel: CancelToken, observer: ArtifactObserver | None
) -> StoreExecutor:
    from e2e3d.pipeline.inprocess import InProcessExecutor

    return InProcessExecutor(store, progress, cancel, settings.device, observer)


def _open_ray(
    settings: Settings, store: ArtifactStore, progress: Progress, cancel: CancelToken, observer: ArtifactObserver | None
) -> StoreExecutor:
    if settings.address is None:
        protect_private_ray()
    from e2e3d.tasks.executor import RayExecutor

    return RayExecutor(store, progress, cancel, settings.device, settings.address, observer)
