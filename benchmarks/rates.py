"""Print what finished runs say about the rates of `e2e3d.pipeline.forecast`: CPU seconds a unit of work, memory, disk.

usage: python benchmarks/rates.py MEGAPIXELS OUT [MEGAPIXELS OUT ...]

OUT is a result folder of `e2e3d run` with an unchanged preset; MEGAPIXELS the size of its photographs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from e2e3d.outputs.manifest import read_manifest
from e2e3d.pipeline.forecast import forecast, stage_seconds, workload


def main() -> None:
    """One table a run."""
    arguments = sys.argv[1:]
    if len(arguments) < 2 or len(arguments) % 2:
        sys.exit(__doc__)
    for megapixels, out in zip(map(float, arguments[::2]), map(Path, arguments[1::2]), strict=True):
        show(out, megapixels)


def show(out: Path, megapixels: float) -> None:
    """Measured beside forecast, stage by stage."""
    manifest = read_manifest(out)
    photos, quality = manifest.counts.photographs, manifest.quality
    print(f"{out}: {photos} photographs of {megapixels} MP, {quality}; {workload(photos, megapixels, quality)}")
    expected = stage_seconds(photos, megapixels, quality, cores=1)
    for stage in manifest.stages:
        known = expected.get(stage.stage)
        ratio = "no rate" if known is None else f"{stage.cpu_s / known:5.2f} of the forecast {known:7.1f} s"
        print(f"  {stage.stage:<12} {stage.cpu_s:7.1f} CPU s   {ratio}   {stage.peak_memory_bytes / 1e9:.2f} GB")
    whole = forecast(photos, megapixels, quality, [])
    disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"  wall {manifest.elapsed_s:.0f} s, forecast {whole.seconds_low:.0f} to {whole.seconds_high:.0f} s")
    print(f"  disk {disk / 1e6:.0f} MB, forecast {whole.disk_bytes / 1e6:.0f} MB")
    print(f"  memory forecast {whole.memory_bytes / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
