"""What a resume moves through the driver when the store is on S3: every byte on the wire, both ways.

    python -m benchmarks.resume_traffic PHOTOS OUT QUALITY [--photographs 500]

OUT is a finished run of PHOTOS at that quality. Its store is copied to an S3 server on this machine, and the same run
is resumed through a proxy that counts: to where every unit is known to be stored, and then with the export.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from e2e3d.config.presets import PRESETS
from e2e3d.data.run_results import RunFacts
from e2e3d.outputs.export import export_results
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.pipeline import reconstruct
from e2e3d.storage.opening import open_objects
from e2e3d.storage.store import ArtifactStore
from tests.client.breaking import BreakingProxy
from tests.servers import BUCKET, S3Server


class Stored(InProcessExecutor):
    def _compute(self, work: object, done: object) -> None:
        raise SystemExit("OUT is not a finished run of these photographs at this quality")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("quality", choices=list(PRESETS))
    parser.add_argument("--photographs", type=int, default=500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="e2e3d-traffic-") as folder:
        server = S3Server(Path(folder))
        server.start()
        try:
            print(json.dumps(_measure(given, server, Path(folder)), indent=1))
        finally:
            server.kill()


def _measure(given: argparse.Namespace, server: S3Server, folder: Path) -> dict[str, object]:
    url = f"s3://{BUCKET}/{uuid.uuid4().hex}"
    copied = _copy(given.out / ".e2e3d" / "store", url, server)
    proxy = BreakingProxy(str(server.options.endpoint))
    store = ArtifactStore(url, dataclasses.replace(server.options, endpoint=proxy.url))
    executor = Stored(store, device="cpu")
    started_s = time.perf_counter()
    results = reconstruct(given.photos, PRESETS[given.quality], executor)
    planned, planned_s = proxy.passed + proxy.returned, time.perf_counter() - started_s
    facts = RunFacts(given.quality, {}, executor.stats, "", planned_s)
    export_results(folder / "out", results, facts)
    everything = proxy.passed + proxy.returned
    count = len(results.photos)
    return {
        "photographs": count,
        "results in the store": copied,
        "seconds to know them": round(planned_s, 2),
        "bytes until all units are known": planned,
        f"MB for {given.photographs} photographs": round(planned / count * given.photographs / 1e6, 2),
        "bytes of the export": everything - planned,
    }


def _copy(store: Path, url: str, server: S3Server) -> int:
    paths = [path for path in store.rglob("*") if path.is_file()]
    files = open_objects(url, server.options)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: files.write(path.relative_to(store).as_posix(), [path.read_bytes()]), paths))
    return len(paths)


if __name__ == "__main__":
    main()
