"""Print the figures of one set: cost in units of E, memory, and the scores against whatever reference the set has.

usage: python benchmarks/figures.py SET_FOLDER OUT [--intrinsics] [--quality medium] [--set depth.max_size_px=768 ...]

SET_FOLDER holds ``images/`` and, where known, ``K.txt``, ``masks/`` and a reference: ``gt_dense_cameras/`` (Strecha),
or ``gt_mesh.ply`` + ``gt_model/`` (a twin). E = CPU seconds of ``pycolmap.extract_features`` at max_image_size 1600 on
the same photographs, measured in the same run; it makes machines comparable.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from measure import Cost, measure

E2E3D = str(Path(sys.executable).with_name("e2e3d"))


def main() -> None:
    """Measure one set and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--intrinsics", action="store_true", help="use the set's K.txt")
    parser.add_argument("--quality", default="medium")
    parser.add_argument("--set", action="append", default=[])
    arguments = parser.parse_args()

    unit_s = feature_seconds(arguments.folder / "images")
    shutil.rmtree(arguments.out, ignore_errors=True)
    options = ["--quality", arguments.quality]
    if arguments.intrinsics:
        options += ["--intrinsics", str(arguments.folder / "K.txt")]
    for change in arguments.set:
        options += ["--set", change]
    cost = run(arguments.folder, arguments.out, options)
    figures: dict[str, Any] = {"set": arguments.folder.name, "exit_code": cost.exit_code, **costs(cost, unit_s)}
    if cost.exit_code == 0:
        figures |= {"stages_E": stage_costs(arguments.out, unit_s)} | scores(arguments.folder, arguments.out)
    print(json.dumps(figures))


def run(folder: Path, out: Path, options: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """One measured run of `e2e3d run` on the photographs of a set."""
    return measure([E2E3D, "run", str(folder / "images"), "-o", str(out), *options], environment)


def costs(cost: Cost, unit_s: float) -> dict[str, float]:
    """What a run cost, with CPU also in E."""
    return {
        "E_s": round(unit_s, 1),
        "cpu_E": round(cost.cpu_s / unit_s, 2),
        "cpu_s": round(cost.cpu_s, 1),
        "wall_s": round(cost.wall_s, 1),
        "peak_pss_gb": round(cost.peak_pss_bytes / 1e9, 2),
    }


def feature_seconds(images: Path) -> float:
    """CPU seconds of COLMAP's feature extraction: the unit E."""
    import pycolmap

    pycolmap.logging.minloglevel = 2
    options = pycolmap.FeatureExtractionOptions(max_image_size=1600, use_gpu=False)
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_SELF)
        pycolmap.extract_features(f"{folder}/database.db", images, extraction_options=options)
        after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def stage_costs(out: Path, unit_s: float) -> dict[str, float]:
    """CPU of every stage in E, from the manifest."""
    manifest = json.loads((out / "manifest.json").read_text())
    return {stage["stage"]: round(stage["cpu_s"] / unit_s, 3) for stage in manifest["stages"]}


def scores(folder: Path, out: Path, held_out: bool = False) -> dict[str, Any]:
    """What `e2e3d evaluate` says against the references that the set has."""
    options = ["--json", "--photos", str(folder / "images")]
    if (folder / "gt_dense_cameras").is_dir():
        options += ["--cameras", str(folder / "gt_dense_cameras")]
        options += ["--held-out"] if held_out else []
    if (folder / "gt_mesh.ply").is_file():
        options += ["--surface", str(folder)]
    done = subprocess.run([E2E3D, "evaluate", str(out), *options], capture_output=True, text=True, check=False)
    sys.stderr.write(done.stderr)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return {} if not lines else dict(json.loads(lines[-1]))


if __name__ == "__main__":
    main()
