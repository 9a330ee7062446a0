"""How the page shows a large model: ``python -m benchmarks.streaming --faces 2000000 --points 50000000``.

Makes a surface, its texture and a cloud of that size, writes tiles and COPC as an export does, serves them, opens a
shared address in Chromium, and prints seconds to the first picture and until it is sharp, and memory. Needs `make web`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from e2e3d.data.dense import PointCloud
from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.outputs.tiling.copc import write_copc
from e2e3d.outputs.tiling.tileset import write_tileset
from e2e3d.service.database.table_base import new_id
from e2e3d.service.jobs.tables import JobRow
from scripts.build_web import WEB, find_node
from tests.live import LiveService, live_service


def relief(faces: int, texture_px: int) -> TexturedMesh:
    """A hilly square whose texture is a grid of fine lines over colours that vary smoothly."""
    side = int((faces / 2) ** 0.5) + 1
    x, y = np.meshgrid(np.linspace(0, 10, side, dtype=np.float32), np.linspace(0, 10, side, dtype=np.float32))
    height = (
        0.6 * np.sin(1.3 * x) * np.cos(0.9 * y) + 0.1 * np.sin(7 * x + 3 * y) + 0.02 * np.sin(41 * x) * np.sin(37 * y)
    )
    vertices = np.stack([x, y, height], 2).reshape(-1, 3).astype(np.float32)
    index = np.arange(side * side, dtype=np.int32).reshape(side, side)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    uv = (0.005 + 0.099 * vertices[:, :2]).astype(np.float32)[triangles]
    small = np.random.default_rng(1).integers(60, 230, (64, 64, 3), dtype=np.uint8)
    page = cv2.resize(small, (texture_px, texture_px), interpolation=cv2.INTER_CUBIC)
    page[:: texture_px // 128] //= 2
    page[:, :: texture_px // 128] //= 2
    zeros = np.zeros(len(triangles), np.int32)
    mesh = Mesh(vertices, np.zeros((len(vertices), 3), np.uint8), triangles)
    return TexturedMesh(mesh, uv, zeros, zeros, (np.asarray(page, np.uint8),))


def cloud_of(points: int) -> PointCloud:
    """Points at random places of the same hills."""
    draw = np.random.default_rng(2)
    x, y = draw.random((2, points), np.float32) * 10
    height = 0.6 * np.sin(1.3 * x) * np.cos(0.9 * y) + 0.1 * np.sin(7 * x + 3 * y)
    positions = np.stack([x, y, height + draw.normal(0, 0.002, points)], 1).astype(np.float32)
    colors = np.stack([25 * x, 25 * y, 128 + 100 * height], 1).astype(np.uint8)
    return PointCloud(
        positions,
        np.broadcast_to(np.float32([0, 0, 1]), positions.shape),
        colors,
        np.ones(points, np.float32),
        np.full(points, 3, np.uint16),
        np.full(points, 10 / points**0.5, np.float32),
        np.zeros(points + 1, np.int64),
        np.zeros(0, np.int32),
    )


def write_large(folder: Path, faces: int, texture_px: int, points: int) -> dict[str, float]:
    """Write tiles and COPC into `folder`; returns CPU seconds and bytes of each."""
    costs = {}
    (folder / "tiles" / "tree").mkdir(parents=True)
    start = time.process_time()
    write_tileset(lambda name, data: (folder / "tiles" / name).write_bytes(data), relief(faces, texture_px))
    costs["tiles_cpu_s"] = time.process_time() - start
    start = time.process_time()
    with (folder / "dense.copc.laz").open("wb") as file:
        write_copc(file, cloud_of(points))
    costs["copc_cpu_s"] = time.process_time() - start
    costs["tiles_bytes"] = sum(path.stat().st_size for path in (folder / "tiles").iterdir())
    costs["copc_bytes"] = (folder / "dense.copc.laz").stat().st_size
    return costs


def shared_address(live: LiveService, folder: Path) -> str:
    """An address that shows the files of `folder` as the results of a job."""
    headers = {"Authorization": f"Bearer {live.key}"}
    user_id = httpx.get(f"{live.url}/v1/me", headers=headers).raise_for_status().json()["id"]
    job_id = new_id()
    with live.services.database.session() as session:
        session.add(JobRow(id=job_id, user_id=user_id, quality="ultra", state="queued", name="Hills"))
    fence = live.begin(job_id)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            live.result(fence, path.relative_to(folder).as_posix(), path.read_bytes())
    live.end(fence)
    made = httpx.post(f"{live.url}/v1/jobs/{job_id}/shares", json={}, headers=headers).raise_for_status().json()
    return live.url + "/shared/" + made["url"].rsplit("/shared/", 1)[1]


def watch(folder: Path, home: Path, pictures: Path | None = None) -> dict[str, Any]:
    """What Chromium sees of the files of `folder`; see ``web/e2e/streaming.mjs``."""
    node, chromium = find_node(), shutil.which("chromium")
    assert node is not None
    assert chromium is not None
    with live_service(home) as live:
        environment = os.environ | {"URL": shared_address(live, folder), "CHROMIUM": chromium}
        if pictures is not None:
            environment["PICTURES"] = str(pictures)
        done = subprocess.run(
            [node.folder / "node", "e2e/streaming.mjs"],
            cwd=WEB, env=environment, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=2_000_000)
    parser.add_argument("--texture", type=int, default=8192, help="side of the texture in pixels")
    parser.add_argument("--points", type=int, default=50_000_000)
    parser.add_argument("--files", type=Path, help="folder to write the files to, or to take them from")
    parser.add_argument("--pictures", type=Path, help="folder for screenshots")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = options.files or Path(folder) / "files"
        if not files.exists():
            print(json.dumps(write_large(files, options.faces, options.texture, options.points)), flush=True)
        seen = watch(files, Path(folder) / "home", options.pictures)
    for mode in ("textured", "cloud", "plain"):
        one = seen[mode]
        print(
            f"{mode}: first picture {one['first_ms'] / 1000:.1f} s, sharp {one['settled_ms'] / 1000:.1f} s,"
            f" {len(one['files'])} files, script {one['heap_bytes'] / 1e6:.0f} MB,"
            f" page {one['renderer_bytes'] / 1e6:.0f} MB, graphics {one['gpu_bytes'] / 1e6:.0f} MB, {one['size']}"
        )
    print("complaints:", seen["complaints"])


if __name__ == "__main__":
    main()
