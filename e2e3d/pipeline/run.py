"""One run, whoever asks for it: put together from its parts, computed, and its results written into a folder."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import get_args

from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.presets import configure
from e2e3d.config.run_options import NO_OPTIONS, RunOptions
from e2e3d.config.workload import TYPICAL_MEGAPIXELS
from e2e3d.data.given_poses import GivenPoses
from e2e3d.data.run_results import Results, RunFacts
from e2e3d.errors import SettingsError
from e2e3d.outputs.export import ExportedPaths, export_results
from e2e3d.pipeline.base_executor import ArtifactObserver, StoreExecutor
from e2e3d.pipeline.cancellation import CancelToken
from e2e3d.pipeline.executor import Executor
from e2e3d.pipeline.forecast import stage_seconds
from e2e3d.pipeline.history import History, profile_of
from e2e3d.pipeline.pipeline import Milestone, reconstruct
from e2e3d.pipeline.plugins import NO_PLUGINS, Plugins
from e2e3d.pipeline.progress import LAST_PASS, Progress, ProgressModel, ProgressReport
from e2e3d.pipeline.sources.source_set import StoredFiles
from e2e3d.runtime.threads import core_count
from e2e3d.storage.store import ArtifactStore


@dataclass(frozen=True)
class RunRequest:
    """What is to be made: `changes` to the preset `quality` by dotted name, and what else the user said.

    `plugins` are the stages of one's own, `poses` those from elsewhere.

    Raises:
        SettingsError: ``bad-setting`` for poses together with a scale, which they have already.
    """

    source: Path | StoredFiles
    quality: str
    changes: Mapping[str, object]
    options: RunOptions = NO_OPTIONS
    plugins: Plugins = NO_PLUGINS
    poses: GivenPoses | None = None

    def __post_init__(self) -> None:
        if self.poses is not None and (self.options.scale is not None or self.options.known_distance is not None):
            raise SettingsError(
                "bad-setting",
                "Poses are taken as they are, and so is their scale.",
                "Give a scale or a known distance, or poses, not both.",
            )

    @cached_property
    def config(self) -> PipelineConfig:
        """The settings of every stage. Raises as :func:`configure`."""
        return configure(self.quality, self.changes)


@dataclass(frozen=True)
class RunExtent:
    """How far a run goes.

    Attributes:
        until: the last thing to make, as in :func:`~e2e3d.pipeline.pipeline.reconstruct`; nothing is exported then.
        export: whether files are written.
        only_stored: whether everything has to be in the store already.

    Raises:
        SettingsError: ``bad-setting`` for another `until`.
    """

    until: Milestone | None = None
    export: bool = True
    only_stored: bool = False

    def __post_init__(self) -> None:
        if self.until is not None and self.until not in get_args(Milestone):
            choices = ", ".join(get_args(Milestone))
            raise SettingsError("bad-setting", f"No run ends at {self.until!r}.", f"Choose one of {choices}, or None.")


WHOLE_RUN = RunExtent()
OpenExecutor = Callable[[ArtifactStore, Progress, CancelToken, ArtifactObserver | None], StoreExecutor]


@dataclass(frozen=True)
class RunParts:
    """Where and how a run is computed, and who follows it.

    Attributes:
        store: where results are kept and found.
        open_executor: makes the executor of the run from store, progress, cancellation and observer.
        times: the file of what earlier runs took.
        listener: called with the state of the run after every event.
        cancel: ends the run when it is set.
        observer: receives the keys of the results that the run uses.
        megapixels: of one photograph, as far as that is known before.
    """

    store: ArtifactStore
    open_executor: OpenExecutor
    times: Path
    listener: Callable[[ProgressReport], None]
    cancel: CancelToken = field(default_factory=CancelToken)
    observer: ArtifactObserver | None = None
    megapixels: float = TYPICAL_MEGAPIXELS


@contextlib.contextmanager
def open_run(request: RunRequest, parts: RunParts) -> Iterator[StoreExecutor]:
    """The executor of a run, for :func:`run_and_export`; afterwards it is closed, and what was learnt of times is kept.

    Raises:
        E2E3DError: as :func:`configure` and the executor say.
    """
    history = History(
        parts.times,
        profile_of(request.quality, request.changes),
        lambda photos: stage_seconds(request.config, photos, parts.megapixels, core_count()),
    )
    _ = request.config  # what is wrong with the settings is said before anything starts
    executor = parts.open_executor(parts.store, ProgressModel(parts.listener, history), parts.cancel, parts.observer)
    try:
        yield executor
    finally:
        history.save()
        executor.close()


def compute(request: RunRequest, executor: Executor, until: Milestone | None = None) -> tuple[Results, RunFacts]:
    """Reconstruct; `until` as in :func:`~e2e3d.pipeline.pipeline.reconstruct`.

    Raises:
        E2E3DError: as the pipeline says; what was finished stays in the executor's store.
    """
    started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    started_s = time.monotonic()
    config = request.config
    results = reconstruct(request.source, config, executor, request.options, request.plugins, until, request.poses)
    own = {"stages": request.plugins.recorded()} if request.plugins.stages else {}
    given = request.options.recorded()
    if request.poses is not None:
        given["poses"] = {"source": request.poses.source, "photographs": len(request.poses.poses)}
    facts = RunFacts(
        quality=request.quality,
        settings=dataclasses.asdict(config) | {"given": given} | own,
        stats=executor.stats,
        started_at=started_at,
        elapsed_s=time.monotonic() - started_s,
        seeds={"depth": config.depth.seed, "consistency": config.consistency.seed},
    )
    return results, facts


def run_and_export(request: RunRequest, executor: Executor, out: Path) -> tuple[Results, ExportedPaths]:
    """Reconstruct, and write the results into `out`. Raises E2E3DError as :func:`compute` and the export say."""
    results, facts = compute(request, executor)
    return results, export(request, executor, out, results, facts)


def export(request: RunRequest, executor: Executor, out: Path, results: Results, facts: RunFacts) -> ExportedPaths:
    """Write results into `out`, announced as the last pass. Raises MachineError."""
    with executor.announced(LAST_PASS):
        options = request.options
        return export_results(out, results, facts, depth=options.keep_depth, tiles=options.tiles)
