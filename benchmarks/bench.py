"""The benchmark: what a reconstruction costs and how good it is, beside the goals and what users pick today.

usage: python benchmarks/bench.py DATA OUT        (make bench DATA=...)

DATA holds the sets ``strecha_fountain_p11`` and ``fountain_twin``. OUT takes the results, ``bench.json``,
``bench.md`` and ``confidence.svg``; whatever was there is removed. E is the CPU time of COLMAP's feature extraction:
figures.py.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from confidence import plot, precision_by_confidence
from figures import costs, feature_seconds, run, scores, stage_costs
from tables import markdown

FOUNTAIN, TWIN = "strecha_fountain_p11", "fountain_twin"
SIZE = ("--set", "depth.max_size_px=768")
FINE = ("--set", "mesh.max_faces=1000000")


def main() -> None:
    """Measure, write both files, print the table."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    missing = [str(data / name / "images") for name in (FOUNTAIN, TWIN) if not (data / name / "images").is_dir()]
    if missing:
        sys.exit(
            f"The photographs of the benchmark are not here: {', '.join(missing)}.\n"
            "Say where they are: make bench DATA=FOLDER. benchmarks/README.md says which they are."
        )
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    started_s = time.monotonic()
    figures: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        # The twin comes first: its runs compile the kernels, which only the first run after an update pays for.
        "twin": twin(data / TWIN, out),
        "fountain": fountain(data / FOUNTAIN, out),
        "kernels": kernels(out / "store-fountain"),
    }
    figures["benchmark_s"] = round(time.monotonic() - started_s)
    (out / "bench.json").write_text(json.dumps(figures, indent=1) + "\n")
    table = markdown(figures)
    (out / "bench.md").write_text(table)
    (out / "confidence.svg").write_text(plot(figures["twin"]["confidence"]))
    print(table)
    _say(f"python benchmarks/results_page.py {out / 'bench.json'} takes these figures into RESULTS.md")


def fountain(folder: Path, out: Path) -> dict[str, Any]:
    """Cost and rephotography of the fountain; its mesh at a million faces; and the same with views left out."""
    _say("the unit E")
    unit_s = feature_seconds(folder / "images")
    store = {"E2E3D_STORE": str(out / "store-fountain")}
    _say("fountain")
    whole = _checked(run(folder, out / "fountain", SIZE, store), "fountain")
    stages = stage_costs(out / "fountain", unit_s)
    _say("fountain, a million faces")
    _checked(run(folder, out / "fountain-fine", (*SIZE, *FINE), store), "fountain at a million faces")
    fine = stage_costs(out / "fountain-fine", unit_s)
    _say("fountain, every fourth view left out")
    _checked(run(folder, out / "fountain-held-out", (*SIZE, "--leave-out", "4"), store), "fountain, views left out")
    _say("scores of the fountain")
    return {
        **costs(whole, unit_s),
        "stages_E": stages,
        "dense_E": _between(stages, "undistort", "mesh"),
        "mesh_fine_E": _between(fine, "merge", "texture"),
        "mesh_fine_faces": _faces(out / "fountain-fine"),
        "texture_E": stages["texture"],
        "texture_faces": _faces(out / "fountain"),
        "scores": scores(folder, out / "fountain"),
        "held_out": scores(folder, out / "fountain-held-out", held_out=True),
    }


def twin(folder: Path, out: Path) -> dict[str, Any]:
    """F-scores of the twin with its calibration: the cloud, and the mesh at both sizes; precision by confidence."""
    store = {"E2E3D_STORE": str(out / "store-twin")}
    options = (*SIZE, "--intrinsics", str(folder / "K.txt"))
    _say("twin")
    _checked(run(folder, out / "twin", options, store), "twin")
    _say("twin, a million faces")
    _checked(run(folder, out / "twin-fine", (*options, *FINE), store), "twin at a million faces")
    _say("scores of the twin")
    return {
        "scores": scores(folder, out / "twin"),
        "mesh_faces": _faces(out / "twin"),
        "fine": {"mesh": scores(folder, out / "twin-fine")["mesh"], "faces": _faces(out / "twin-fine")},
        "confidence": precision_by_confidence(out / "twin", folder),
    }


def kernels(store: Path) -> dict[str, float]:
    """What kernels.py says of the fountain's first view."""
    _say("profile of the kernels")
    command = [sys.executable, str(Path(__file__).with_name("kernels.py")), str(store)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def _between(stages: dict[str, float], first: str, last: str) -> float:
    """E of all stages between two, which are not counted; so a stage that comes new is."""
    names = list(stages)
    return round(sum(stages[name] for name in names[names.index(first) + 1 : names.index(last)]), 3)


def _checked(cost: Any, what: str) -> Any:
    if cost.exit_code != 0:
        sys.exit(f"The run of {what} failed with exit code {cost.exit_code}; its lines above say why.")
    return cost


def _faces(out: Path) -> int:
    return int(json.loads((out / "manifest.json").read_text())["counts"]["faces"])


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _say(what: str) -> None:
    print(f"-- {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
