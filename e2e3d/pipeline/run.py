"""One run, whoever asks for it: photographs through the pipeline, and its results into a folder."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.run_options import Options
from e2e3d.data.run_results import Results, RunFacts
from e2e3d.outputs.export import ExportedPaths, export_results
from e2e3d.pipeline.executor import Executor
from e2e3d.pipeline.pipeline import reconstruct
from e2e3d.pipeline.sources.source_set import StoredFiles


@dataclass(frozen=True)
class RunRequest:
    """What is to be made: `changes` to the preset `quality` by dotted name, and what else the user said."""

    source: Path | StoredFiles
    quality: str
    changes: Mapping[str, object]
    options: Options


def run_and_export(
    request: RunRequest, config: PipelineConfig, executor: Executor, out: Path
) -> tuple[Results, ExportedPaths]:
    """Reconstruct, and write the results into `out`.

    Raises:
        E2E3DError: as the pipeline and the export say; what was finished stays in the executor's store.
    """
    started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    started_s = time.monotonic()
    options = request.options
    results = reconstruct(
        request.source,
        config,
        executor,
        intrinsics=options.intrinsics,
        masks=options.masks,
        scale=options.scale,
        known_distance=options.known_distance,
        left_out=options.left_out,
    )
    facts = RunFacts(
        quality=request.quality,
        settings=dataclasses.asdict(config) | {"given": options.recorded()},
        stats=executor.stats,
        started_at=started_at,
        elapsed_s=time.monotonic() - started_s,
        seeds={"depth": config.depth.seed, "consistency": config.consistency.seed},
    )
    return results, export_results(out, results, facts, depth=options.keep_depth)
