"""Print what finished runs say about the costs that stages declare (`e2e3d/config`): CPU, memory, disk.

usage: python benchmarks/rates.py [--json] MEGAPIXELS OUT [MEGAPIXELS OUT ...]

OUT is a result folder of `e2e3d run`; MEGAPIXELS the size of its photographs. With --json it prints the runs as they
stand in tests/pipeline/measured_memory.json, which the declared memory is tested against.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from e2e3d.config.overrides import apply_overrides
from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.presets import PRESETS
from e2e3d.outputs.manifest import Manifest, read_manifest
from e2e3d.pipeline.forecast import forecast, stage_costs, workload


def main() -> None:
    """One table a run, or all runs as JSON."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--json"]
    if len(arguments) < 2 or len(arguments) % 2:
        sys.exit(__doc__)
    runs = [
        (read_manifest(Path(out)), float(size), Path(out)) for size, out in zip(*[iter(arguments)] * 2, strict=True)
    ]
    if "--json" in sys.argv:
        print(json.dumps([{"what": out.name} | recorded(manifest, size) for manifest, size, out in runs], indent=1))
    else:
        for manifest, megapixels, out in runs:
            show(manifest, megapixels, out)


def recorded(manifest: Manifest, megapixels: float) -> dict[str, Any]:
    """What a run worked on, and the peak memory of each of its passes."""
    counts = manifest.counts
    work = {"photos": counts.photographs, "photo_mp": megapixels, "points": counts.dense_points, "faces": counts.faces}
    peaks = {stage.stage: stage.peak_memory_bytes for stage in manifest.stages}
    return {"quality": manifest.quality, "changes": changes(manifest)} | work | {"peak_memory_bytes": peaks}


def changes(manifest: Manifest) -> dict[str, Any]:
    """The settings of a run that differ from its preset."""
    known = dict(_flat(_plain(PRESETS[manifest.quality])))
    return {name: value for name, value in _flat(dict(manifest.settings)) if name in known and value != known[name]}


def show(manifest: Manifest, megapixels: float, out: Path) -> None:
    """Measured beside declared, stage by stage."""
    run = recorded(manifest, megapixels)
    config = apply_overrides(PRESETS[manifest.quality], run["changes"])
    whole = forecast(config, run["photos"], megapixels, [])
    work = replace(workload(config, run["photos"], megapixels), points=run["points"], faces=run["faces"])
    print(f"{out}: {manifest.quality}, {run['changes']}; {work}")
    declared = stage_costs(config, work)
    for stage in manifest.stages:
        cost, measured_gb = declared.get(stage.stage), stage.peak_memory_bytes / 1e9
        ratio = "not declared"
        if cost is not None:
            ratio = f"{cost.wall_s(1):7.1f} s declared ({stage.cpu_s / cost.wall_s(1):5.2f}), "
            ratio += f"{cost.memory_bytes / 1e9:.2f} GB declared ({1e9 * measured_gb / cost.memory_bytes:.2f})"
        print(f"  {stage.stage:<12} {stage.cpu_s:7.1f} CPU s   {measured_gb:.2f} GB   {ratio}")
    disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"  wall {manifest.elapsed_s:.0f} s, forecast {whole.seconds_low:.0f} to {whole.seconds_high:.0f} s")
    print(f"  disk {disk / 1e6:.0f} MB, forecast {whole.disk_bytes / 1e6:.0f} MB")
    print(f"  memory forecast {whole.memory_bytes / 1e9:.2f} GB")


def _plain(config: PipelineConfig) -> dict[str, Any]:
    """As a manifest holds it: lists for tuples."""
    return dict(json.loads(json.dumps(config, default=vars)))


def _flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


if __name__ == "__main__":
    main()
