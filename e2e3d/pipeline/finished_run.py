"""A run into a folder that holds its result already: nothing is written that stands there."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from e2e3d.config.run_options import RunOptions
from e2e3d.data.run_results import RunFacts
from e2e3d.errors import InputError
from e2e3d.outputs.export import paths_of
from e2e3d.outputs.manifest import Manifest, read_manifest, same_maker
from e2e3d.pipeline.record_index import RecordIndex, read_index
from e2e3d.pipeline.workspace import PRIVATE_FOLDER
from e2e3d.storage.atomic_files import sha256_of


def finished_before(out: Path, index: RecordIndex, facts: RunFacts, options: RunOptions) -> Manifest | None:
    """The manifest in `out`, where it is that of the same records, settings, options and version; None otherwise."""
    try:
        manifest, earlier = read_manifest(out), read_index(out / PRIVATE_FOLDER)
    except InputError:
        return None
    same = (
        earlier == index
        and manifest.quality == facts.quality
        and manifest.settings == json.loads(json.dumps(facts.settings))
        and (paths_of(out, manifest).depth is not None) == options.keep_depth
        and (options.tiles is None or (paths_of(out, manifest).tileset is not None) == options.tiles)
        and same_maker(manifest)
    )
    return manifest if same else None


def outputs_intact(out: Path, manifest: Manifest) -> bool:
    """Whether every file of a result is as it was written."""
    return all(
        (path := out / file.path).is_file()
        and path.stat().st_size == file.size_bytes
        and sha256_of(path) == file.sha256
        for file in manifest.outputs
    )


def facts_of(manifest: Manifest, facts: RunFacts) -> RunFacts:
    """The facts of the run that made the result, for an export that only makes its files again."""
    stages = tuple(stage for stage in manifest.stages if stage.stage != "export")
    export_s = sum(stage.elapsed_s for stage in manifest.stages) - sum(stage.elapsed_s for stage in stages)
    return dataclasses.replace(
        facts, stats=stages, started_at=manifest.started_at, elapsed_s=manifest.elapsed_s - export_s
    )
