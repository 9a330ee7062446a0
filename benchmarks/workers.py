"""How much sooner two workers are done than one: `e2e3d run` on a Ray cluster of one-core workers on this machine.

usage: PYTHONPATH=. python benchmarks/workers.py PHOTOS WORK [QUALITY]

Each run starts from nothing, on a cluster of its own whose head computes nothing. Printed are the seconds of the depth
passes and of the whole run with one worker and with two, their ratios, and the load of the machine before each run:
with other work beside (a load above 0.5), the ratios say nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

GOALS = {"depth": 1.8, "whole": 1.6}
_OBJECT_BYTES = 200_000_000


def main() -> None:
    """Run with one worker, then with two."""
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    photos, work, quality = Path(sys.argv[1]), Path(sys.argv[2]), [*sys.argv[3:], "preview"][0]
    times = []
    for workers in (1, 2):
        load = os.getloadavg()[0]
        times.append(seconds(photos, work / f"{workers}-workers", quality, workers))
        print(f"{workers} workers: {json.dumps(times[-1])}, load before {load:.2f}", flush=True)
    for name, goal in GOALS.items():
        print(f"{name}: {times[0][name] / times[1][name]:.2f}x (goal {goal}x)")


def seconds(photos: Path, out: Path, quality: str, workers: int) -> dict[str, float]:
    """Seconds of the depth passes and of the whole run, on a new cluster."""
    os.environ["RAY_AUTH_MODE"] = "disabled"
    from ray.cluster_utils import Cluster

    node = {"object_store_memory": _OBJECT_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **node})
    try:
        for _ in range(workers):
            cluster.add_node(num_cpus=1, **node)
        command = [sys.executable, "-m", "e2e3d", "run", str(photos), "-o", str(out), "--quality", quality]
        subprocess.run([*command, "--address", cluster.address], check=True, stdout=subprocess.DEVNULL)
    finally:
        cluster.shutdown()
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    depth = sum(stage["elapsed_s"] for stage in manifest["stages"] if stage["stage"].startswith("depth"))
    return {"depth": round(depth, 1), "whole": round(manifest["elapsed_s"], 1)}


if __name__ == "__main__":
    main()
