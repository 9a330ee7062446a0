"""What the second chance joins, and what it costs: sets thinned or darkened until SIFT cannot join them.

usage: python benchmarks/second_chance.py DATA WORK CASE [CASE ...]

DATA holds the sets; WORK keeps artifacts and changed photographs. A case is SET/N (every N-th photograph), SET/MofN (of
every N the first M: gaps), either with /night or /blur (of these every second one darkened and noisy, or blurred and
pale), or SET@PRESET (all of it, at that preset). Cameras are judged against ``gt_cameras.json`` or ``gt_model`` of the
set or, where it has none, against SIFT's model of the whole set at medium. A camera is right within 5 % of the extent
of all cameras and 3 degrees of turning.
"""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.presets import PRESETS
from e2e3d.data.scene import Scene
from e2e3d.errors import E2E3DError
from e2e3d.ops.evaluation.camera_errors import align_cameras
from e2e3d.outputs.evaluation.references import read_cameras, stem
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.pipeline import check_photos, find_matches, map_cameras
from e2e3d.pipeline.second_chance import map_with_second_chance
from e2e3d.pipeline.sources.source_set import read_source
from e2e3d.storage.store import ArtifactStore

Poses = dict[str, np.ndarray]
_POSITION_SHARE, _ROTATION_DEG = 0.05, 3.0


def main() -> None:
    """Run every case without and with the second chance, and print a line of the table for each."""
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    data, work = Path(sys.argv[1]), Path(sys.argv[2])
    print(
        "| case | photographs | SIFT: in the model, right | learned too: in the model, right | largest errors | CPU s |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    for case in sys.argv[3:]:
        name, _, preset = case.partition("@")
        folder, count = _prepare(data, work, name)
        reference = _reference(data / name.split("/")[0], work)
        sift, _ = _map(folder, work, preset or "preview", False)
        both, costs = _map(folder, work, preset or "preview", True)
        before, after = _judge(sift, reference), _judge(both, reference)
        error = f"{after[2]:.1%}, {after[3]:.2f}°"
        print(
            f"| {case} | {count} | {before[0]}, {before[1]} | {after[0]}, {after[1]} | {error} | {costs} |", flush=True
        )


def _prepare(data: Path, work: Path, name: str) -> tuple[Path, int]:
    """The photographs of a case in a folder of their own, masks too."""
    source, *changes = name.split("/")
    first, cycle = _pattern(changes[0] if changes else "1")
    everything = sorted((data / source / "images").iterdir())
    files = [file for i, file in enumerate(everything) if i % cycle < first]
    folder = work / "photographs" / name.replace("/", "-")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for i, file in enumerate(files):
        changed = len(changes) > 1 and i % 2 == 1
        (folder / "images" / file.name).write_bytes(_spoil(file, changes[1], i) if changed else file.read_bytes())
        for mask in (data / source / "masks").glob(f"{file.stem}.*"):
            (folder / "masks").mkdir(exist_ok=True)
            (folder / "masks" / mask.name).write_bytes(mask.read_bytes())
    return folder / "images", len(files)


def _pattern(text: str) -> tuple[int, int]:
    """``4``: the first of every four; ``2of4``: the first two."""
    first, _, cycle = text.rpartition("of")
    return int(first or 1), int(cycle)


def _spoil(file: Path, how: str, seed: int) -> bytes:
    import cv2

    with Image.open(file) as picture:
        exif = picture.info.get("exif", b"")
        light = (np.asarray(picture.convert("RGB"), np.float32) / 255) ** 2.2
    random = np.random.default_rng(seed)
    if how == "night":
        light = light * 0.04 * np.array([1.0, 0.8, 0.5], np.float32)
        light = np.maximum(light + random.normal(0, 0.002, light.shape), 0) * 4
        shown = np.clip(light, 0, 1) ** (1 / 2.2)
    else:
        sigma = max(light.shape) / 500
        shown = 0.45 + 0.35 * cv2.GaussianBlur(np.asarray(light, np.float32) ** (1 / 2.2), (0, 0), sigma)[..., ::-1]
    out = io.BytesIO()
    Image.fromarray((255 * shown).round().astype(np.uint8)).save(out, "JPEG", quality=90, exif=exif)
    return out.getvalue()


def _reference(source: Path, work: Path) -> Poses:
    for file in (source / "gt_cameras.json", source / "gt_model"):
        if file.exists():
            return {stem(name): pose for name, pose in read_cameras(file).items()}
    kept = work / f"{source.name}.json"
    if not kept.exists():
        folder, _ = _prepare(source.parent, work, source.name)
        whole, _ = _map(folder, work, "medium", False)
        kept.write_text(json.dumps({name: pose.tolist() for name, pose in whole.items()}))
    return {name: np.array(pose) for name, pose in json.loads(kept.read_text()).items()}


def _map(photographs: Path, work: Path, preset: str, second_chance: bool) -> tuple[Poses, str]:
    """Poses by photograph, and the CPU seconds of SIFT and of the second chance."""
    config: PipelineConfig = PRESETS[preset]
    learned = dataclasses.replace(config.learned, enabled=second_chance)
    run = InProcessExecutor(ArtifactStore(str(work / "store")), device="cpu")
    files = read_source(photographs, run, None, config.frames)
    usable = [photo for photo in check_photos(files, None, config, run) if photo.usable]
    found, matches = find_matches(usable, False, config, run)

    def mapper(*features_and_matches: Any) -> Any:
        return map_cameras(usable, None, None, None, config, run, *features_and_matches)

    try:
        *_, mapped = map_with_second_chance(usable, found, matches, mapper, learned, run)
    except E2E3DError as error:
        print(f"{photographs.parent.name}: {error.code}", file=sys.stderr)
        return {}, _costs(run)
    return _poses(mapped.load().scene), _costs(run)


def _poses(scene: Scene) -> Poses:
    return {stem(image.name): image.cam_from_world for image in scene.images}


def _costs(run: InProcessExecutor) -> str:
    """CPU seconds by stage, and of how many units."""
    return ", ".join(f"{entry.stage} {entry.cpu_s:.1f} of {entry.units}" for entry in run.stats if entry.cpu_s > 1)


def _judge(found: Poses, reference: Poses) -> tuple[int, int, float, float]:
    """How many are in the model, how many of them right, and the largest errors: share of the extent, degrees."""
    names = sorted(found.keys() & reference.keys())
    if len(names) < 3:
        return len(found), 0, np.nan, np.nan
    similarity = align_cameras(found, reference)
    true = np.array([_centre(reference[name]) for name in names])
    everywhere = np.array([_centre(pose) for pose in reference.values()])
    extent = np.linalg.norm(everywhere - everywhere.mean(0), axis=1).max() * 2
    distances = np.linalg.norm(similarity.apply(np.array([_centre(found[n]) for n in names])) - true, axis=1) / extent
    angles = min((_turning_errors(found, reference, names, quarter) for quarter in range(4)), key=np.median)
    right = (distances < _POSITION_SHARE) & (angles < _ROTATION_DEG)
    return len(found), int(right.sum()), float(distances.max()), float(angles.max())


def _centre(pose: np.ndarray) -> np.ndarray:
    return np.asarray(-np.linalg.solve(pose[:, :3], pose[:, 3]))


def _turning_errors(found: Poses, reference: Poses, names: Sequence[str], quarter: int) -> np.ndarray:
    """Degrees that rotations miss after the best common one: centres on a short arc tell it badly.

    References may be of pictures turned by quarters that EXIF undoes.
    """
    c, s = np.cos(np.pi / 2 * quarter), np.sin(np.pi / 2 * quarter)
    undo = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    turns = np.array([reference[name][:, :3].T @ undo @ found[name][:, :3] for name in names])
    U, _, Vt = np.linalg.svd(turns.sum(0))
    common = U @ np.diag([1, 1, np.linalg.det(U @ Vt)]) @ Vt
    traces = np.einsum("nij,ij->n", turns, common)
    return np.degrees(np.arccos(np.clip((traces - 1) / 2, -1, 1)))


if __name__ == "__main__":
    main()
