"""A village of any size, photographed along its streets, and what the first stages cost as it grows.

usage: PYTHONPATH=. python benchmarks/village.py render COUNT FOLDER
       PYTHONPATH=. python benchmarks/village.py grow WORK COUNT [COUNT ...]
       PYTHONPATH=. python benchmarks/village.py parts WORK COUNT

`render` writes COUNT photographs of 480 x 320 pixels, K.txt, and the exact cameras as gt_cameras.json. The street is a
loop whose length grows with COUNT, so that a photograph always overlaps with about as many others. `grow` renders and
maps one village for each COUNT and prints CPU seconds of the stages, how many photographs are in the model, how far
they are off, and the exponent of the CPU in the number of photographs. `parts` maps one village jointly and in parts,
and compares them.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.presets import PRESETS
from e2e3d.data.scene import Scene
from e2e3d.ops.evaluation.camera_errors import align_cameras
from e2e3d.ops.sample.sample_scene import SampleScene, look_at
from e2e3d.ops.sample.sample_shading import GROUND, KNOT, PLINTH, WALL
from e2e3d.outputs.evaluation.references import read_cameras, stem
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.pipeline import check_photos, find_matches, map_cameras
from e2e3d.pipeline.sources.source_set import parse_intrinsics, read_source
from e2e3d.storage.store import ArtifactStore

Vec = NDArray[np.float64]
WIDTH_PX, HEIGHT_PX = 480, 320
FOCAL_PX = 380.0
STEP = 0.32  # between photographs; one unit is about three metres
TO_FACADE = 2.3
_CORNER = 3.0  # radius of the street's corners
_HOUSE = (1.6, 2.6)  # widths
_PASSES = {
    "features": ("features",),
    "pairs": ("vocabulary", "retrieval", "pairs", "overlap", "overlapping-pairs"),
    "matching": ("matching", "still_regions"),
    "mapping": ("mapping-plan", "mapping-part", "mapping"),
}


def street(length: float) -> tuple[float, float]:
    """Straight parts (long, short) of a loop of that length with round corners."""
    straight = max(length - 2 * np.pi * _CORNER, 0.0) / 2
    return 0.6 * straight, 0.4 * straight


def point_of_street(s: float, length: float) -> tuple[Vec, Vec]:
    """Place and outward normal, float64 [2] each, at distance `s` along the loop; it runs counter-clockwise."""
    long, short = street(length)
    arc = np.pi / 2 * _CORNER
    s %= 2 * (long + short) + 4 * arc
    corner = np.array([0.0, 0.0])
    heading = 0.0
    for straight in (long, short, long, short):
        along = np.array([np.cos(heading), np.sin(heading)])
        outward = np.array([along[1], -along[0]])
        if s <= straight:
            return corner + s * along, outward
        s -= straight
        corner = corner + straight * along
        if s <= arc:
            turn = s / _CORNER
            centre = corner - _CORNER * outward
            angle = heading - np.pi / 2 + turn
            normal = np.array([np.cos(angle), np.sin(angle)])
            return centre + _CORNER * normal, normal
        s -= arc
        corner = corner - _CORNER * outward + _CORNER * along
        heading += np.pi / 2
    return corner, np.array([0.0, -1.0])  # the end, by rounding


def cameras(count: int) -> list[Vec]:
    """cam_from_world [3, 4] of photographs that look out of the loop, a little forward or back, up or down in turn."""
    length = STEP * count
    random = np.random.default_rng(count)
    poses = []
    for i in range(count):
        place, outward = point_of_street(STEP * i, length)
        along = np.array([-outward[1], outward[0]])
        eye = np.array([*(place - 0.25 * (i % 2) * outward), 0.55 + 0.1 * (i % 3) + 0.02 * random.normal()])
        aim = place + TO_FACADE * outward + (0.25 * (i % 4) - 0.4 + 0.1 * random.normal()) * along
        poses.append(look_at(eye, np.array([*aim, 0.75 + 0.1 * random.normal()])))
    return poses


def build_village(length: float, seed: int = 3) -> SampleScene:
    """Houses along the outside of a street of that length, with windows, doors and sheds; and the ground."""
    random = np.random.default_rng(seed)
    parts: list[tuple[NDArray[np.float32], NDArray[np.int32], int]] = []
    s = 0.0
    while s < length:
        width = min(random.uniform(*_HOUSE), max(length - s, 0.4))
        place, outward = point_of_street(s + width / 2, length)
        along = np.array([-outward[1], outward[0]])
        front = place + (TO_FACADE + random.uniform(-0.25, 0.25)) * outward
        frame = np.stack([along, outward], 1)
        height = random.uniform(1.2, 2.4)
        wide = width * (1.0 + 1.6 * TO_FACADE / max(_CORNER, TO_FACADE) * _turns(s, width, length))
        parts.append(
            _box(front, frame, (-wide / 2, wide / 2), (0, 1.5), (-0.05, height), int(random.choice([WALL, PLINTH])))
        )
        for _ in range(random.integers(4, 9)):
            x, z = random.uniform(-wide / 2, wide / 2 - 0.3), random.uniform(0.1, height - 0.3)
            w, h, d = random.uniform(0.12, 0.4), random.uniform(0.12, 0.5), random.uniform(0.03, 0.12)
            material = int(random.choice([KNOT, PLINTH, WALL, GROUND]))
            parts.append(_box(front, frame, (x, x + w), (-d, 0.1), (z, z + h), material))
        if random.random() < 0.7:
            x, w = random.uniform(-wide / 2, wide / 2 - 0.5), random.uniform(0.2, 0.5)
            parts.append(
                _box(
                    front, frame, (x, x + w), (-random.uniform(0.3, 0.9), 0.1), (-0.05, random.uniform(0.2, 0.6)), KNOT
                )
            )
        s += width
    parts.append(_ground(length))
    starts = np.cumsum([0] + [len(vertices) for vertices, _, _ in parts])
    return SampleScene(
        np.concatenate([vertices for vertices, _, _ in parts]).astype(np.float32),
        np.concatenate([faces + start for (_, faces, _), start in zip(parts, starts, strict=False)]).astype(np.int32),
        np.concatenate([np.full(len(faces), material, np.uint8) for _, faces, material in parts]),
    )


def _turns(s: float, width: float, length: float) -> float:
    """How much of a house stands at a corner, in [0, 1]: facades outside of it are wider than the street is long."""
    _, first = point_of_street(s, length)
    _, last = point_of_street(s + width, length)
    return float(np.clip(np.arccos(np.clip(first @ last, -1, 1)) * _CORNER / width, 0, 1))


def _box(
    front: Vec, frame: Vec, xs: tuple[float, float], ys: tuple[float, float], zs: tuple[float, float], material: int
) -> tuple[NDArray[np.float32], NDArray[np.int32], int]:
    """A box in the frame of a facade: `xs` along it, `ys` away from the street, `zs` up."""
    corners = np.array([(x, y, z) for z in zs for y in ys for x in xs])
    world = np.column_stack([front + corners[:, :2] @ frame.T, corners[:, 2]])
    quads = [(0, 1, 5, 4), (1, 3, 7, 5), (3, 2, 6, 7), (2, 0, 4, 6), (4, 5, 7, 6), (0, 2, 3, 1)]
    vertices = world[np.ravel(quads)].astype(np.float32)  # every side has its own: the light falls off at edges
    starts = 4 * np.arange(len(quads), dtype=np.int32)[:, None, None]
    triangles = np.array([[0, 2, 1], [0, 3, 2]], np.int32)
    return vertices, (starts + triangles).reshape(-1, 3), material


def _ground(length: float) -> tuple[NDArray[np.float32], NDArray[np.int32], int]:
    places = np.array([point_of_street(s, length)[0] for s in np.linspace(0, length, 200)])
    (x0, y0), (x1, y1) = places.min(0) - 9, places.max(0) + 9
    vertices = np.array([(x0, y0, 0), (x1, y0, 0), (x1, y1, 0), (x0, y1, 0)], np.float32)
    return vertices, np.array([(0, 1, 2), (0, 2, 3)], np.int32), GROUND


def render(count: int, folder: Path) -> None:
    """Write the photographs, K.txt and gt_cameras.json."""
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    scene = build_village(STEP * count)
    intrinsics = (FOCAL_PX, FOCAL_PX, WIDTH_PX / 2, HEIGHT_PX / 2)
    K = [[FOCAL_PX, 0, WIDTH_PX / 2], [0, FOCAL_PX, HEIGHT_PX / 2], [0, 0, 1]]
    truth = {}
    for i, pose in enumerate(cameras(count)):
        name = f"{i:05d}"
        if not (images / f"{name}.jpg").exists():
            image = scene.render(intrinsics, pose, WIDTH_PX, HEIGHT_PX, supersampling=1).image
            Image.fromarray(image).save(images / f"{name}.jpg", quality=92)
        truth[name] = {"R": pose[:, :3].tolist(), "t": pose[:, 3].tolist(), "K": K}
    (folder / "K.txt").write_text("\n".join(" ".join(map(str, row)) for row in K) + "\n", encoding="utf-8")
    (folder / "gt_cameras.json").write_text(json.dumps({"cameras": truth}), encoding="utf-8")


def _config() -> PipelineConfig:
    """The settings of the preview, which suit photographs of this size."""
    return PRESETS["preview"]


@dataclasses.dataclass(frozen=True)
class Growth:
    """One village: CPU seconds, photographs in the model, and the errors of their positions in steps."""

    count: int
    cpu_s: dict[str, float]
    registered: int
    median_steps: float
    largest_steps: float


def measure(count: int, work: Path, joint_up_to: int | None = None) -> Growth:
    """Render a village, and find its cameras; `joint_up_to` is the setting of mapping, None = its default."""
    folder, config = work / f"village{count}", _config()
    if joint_up_to is not None:
        config = dataclasses.replace(config, mapping=dataclasses.replace(config.mapping, joint_up_to=joint_up_to))
    render(count, folder)
    run = InProcessExecutor(ArtifactStore(str(work / "store")), device="cpu")
    matrix = parse_intrinsics((folder / "K.txt").read_text(encoding="utf-8"), "K.txt")
    files = read_source(folder / "images", run, None, config.frames)
    photos = [photo for photo in check_photos(files, matrix, config, run) if photo.usable]
    found, matches = find_matches(photos, False, config, run)
    mapped = map_cameras(photos, None, None, None, config, run, found, matches).load()
    cpu_s = {name: sum(one.cpu_s for one in run.stats if one.stage in passes) for name, passes in _PASSES.items()}
    return Growth(count, cpu_s, len(mapped.scene.images), *position_errors(mapped.scene, folder))


def position_errors(scene: Scene, folder: Path) -> tuple[float, float]:
    """Median and largest distance of the viewpoints from the exact ones, in steps between photographs."""
    found = {stem(image.name): image.cam_from_world for image in scene.images}
    exact = read_cameras(folder / "gt_cameras.json")
    moved = align_cameras(found, exact).apply(np.array([_centre(found[name]) for name in sorted(found)]))
    distances = np.linalg.norm(moved - [_centre(exact[name]) for name in sorted(found)], axis=1)
    return float(np.median(distances)) / STEP, float(distances.max()) / STEP


def exponent(counts: list[int], cpu_s: list[float]) -> float:
    """Slope of log CPU over log count, by least squares."""
    return float(np.polyfit(np.log(counts), np.log(cpu_s), 1)[0])


def _centre(pose: Vec) -> Vec:
    return np.asarray(-pose[:, :3].T @ pose[:, 3])


def grow(work: Path, counts: list[int]) -> None:
    """Print a line of the table for each village, and the exponents."""
    _print_header("photographs")
    rows = []
    for count in counts:
        rows.append(row := measure(count, work))
        _print_row(str(count), row)
    if len(rows) > 1:
        for name in _PASSES:
            print(f"exponent of {name}: {exponent(counts, [row.cpu_s[name] for row in rows]):.2f}")
        print(f"exponent of all together: {exponent(counts, [sum(row.cpu_s.values()) for row in rows]):.2f}")


def compare(work: Path, count: int) -> None:
    """Print a line for a village mapped jointly, and one for the same in parts."""
    _print_header("mapped")
    for name, joint_up_to in (("jointly", count), ("in parts", 3)):
        _print_row(f"{count} {name}", measure(count, work, joint_up_to))


def _print_header(first: str) -> None:
    columns = (first, *_PASSES, "together, CPU s", "in the model", "position error in steps (median, largest)")
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")


def _print_row(name: str, row: Growth) -> None:
    times = " | ".join(f"{seconds:.1f}" for seconds in (*row.cpu_s.values(), sum(row.cpu_s.values())))
    print(f"| {name} | {times} | {row.registered} | {row.median_steps:.4f}, {row.largest_steps:.4f} |", flush=True)


def main() -> None:
    """Do what the command line says."""
    match sys.argv[1:]:
        case ["render", count, folder]:
            render(int(count), Path(folder))
        case ["grow", work, *counts] if counts:
            grow(Path(work), [int(count) for count in counts])
        case ["parts", work, count]:
            compare(Path(work), int(count))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
