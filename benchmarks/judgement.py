"""How often the final judgement is wrong: runs that are known to be sound and runs that are known to be broken.

usage: python benchmarks/judgement.py DATA OUT [NAME...]    run what is missing (of these runs), print the table
       python benchmarks/judgement.py DATA OUT --cameras [NAME...]    of cameras and points alone, into another OUT
       python benchmarks/judgement.py DATA OUT --table      judge the stored signs anew, print the table

The truth of a run does not come from the judgement: its cameras are compared with surveyed ones or, where a set has
none, with those of the whole clean set, and its model with the clean photographs. See :func:`faults_of`.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import judgement_strangers as strangers
import numpy as np
from disturb import STAGE as DISTURB
from disturb import DisturbConfig
from judgement_cases import FOCAL_PX, Case, Shot, cases, load_shots
from PIL import Image

from e2e3d.config.presets import configure
from e2e3d.config.run_options import CalibrationText, RunOptions
from e2e3d.data.judgement import JudgementSigns
from e2e3d.data.ref import Ref
from e2e3d.data.run_results import Results
from e2e3d.errors import E2E3DError
from e2e3d.ops.evaluation.camera_errors import align_cameras, camera_error
from e2e3d.ops.evaluation.rendering import Renderer
from e2e3d.ops.evaluation.rephotography import rephotograph, view_score
from e2e3d.ops.evaluation.weigh_signs import weigh
from e2e3d.outputs.evaluation.model_judgement import measure_signs
from e2e3d.outputs.evaluation.references import read_cameras, stem
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.pipeline import Milestone, reconstruct
from e2e3d.stages.mapping import STAGE as MAPPING
from e2e3d.storage.store import ArtifactStore

SURVEYED = {
    "strecha_fountain_p11": "gt_dense_cameras",
    "fountain_twin": "gt_model",
}
SETTINGS: dict[str, object] = {
    "features.max_size_px": 1000,
    "features.max_features": 2500,
    "depth.max_size_px": 256,
    "mesh.max_faces": 12_000,
    "texture.atlas_size_px": 1024,
}
FAR, TURNED_DEG, HALF, BLURRED = 0.005, 2.0, 0.7, 0.12
"""Broken: a camera so far off (share of the cameras' extent) or turned, so few of the photographs, or a correlation
with the clean photographs that is so much lower than that of the whole clean set. Clean subsets come within 0.002 of
the extent, so that 0.005 is no noise."""
LIES_DEG = 20.0  # from how the model of the whole clean set stands
WIDTH_PX = 400
CAMERAS = "--cameras"


def main() -> None:
    """Run and print."""
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    names = [name for name in sys.argv[3:] if name != CAMERAS]
    until: Milestone | None = "mapping" if CAMERAS in sys.argv else None
    runs = out / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    for case in cases(data) + strangers.cases(data):
        target = runs / f"{case.name.replace(' ', '_')}.json"
        if (not names or case.name in names) and not target.exists():
            target.write_text(json.dumps(run_case(case, data, out, until), indent=1))
            print(target.stem, flush=True)
    stored = [json.loads(path.read_text()) for path in sorted(runs.glob("*.json"))]
    print(table(stored))


def run_case(case: Case, data: Path, out: Path, until: Milestone | None) -> dict[str, Any]:
    """Signs and truth of one run, to the end or `until` something is made."""
    shots = case.change(load_shots(data, case.base, case.step, case.count))
    folder = out / "photographs" / case.name.replace(" ", "_")
    _write(shots, folder)
    executor = DisturbingExecutor(ArtifactStore(str(out / "store")), case.disturb)
    config = configure("preview", SETTINGS | case.settings)
    masks = data / case.base / "masks" if case.masks else None
    began_s = time.process_time()
    try:
        results = reconstruct(folder, config, executor, RunOptions(_intrinsics(case, folder), masks), until=until)
    except E2E3DError as error:
        return {"name": case.name, "failed": error.code, "cpu_s": time.process_time() - began_s}
    run_s = time.process_time() - began_s
    textured = None if until else results.textured.load()
    signs = measure_signs(results, textured)
    judged_s = time.process_time() - began_s - run_s
    truth = truth_of(case, shots, results, data, out, surface=until is None)
    return {
        "name": case.name,
        "signs": dataclasses.asdict(signs),
        "truth": truth,
        "cpu_s": run_s,
        "stages": {stats.stage: round(stats.cpu_s, 1) for stats in executor.stats},
        "judgement_cpu_s": judged_s,
    }


class DisturbingExecutor(InProcessExecutor):
    """Runs the pipeline as it is, and damages what mapping gives where that is asked for."""

    def __init__(self, store: ArtifactStore, disturb: DisturbConfig) -> None:
        super().__init__(store, device="cpu")
        self._disturb = disturb

    def map(self, stage: Any, inputs: Any, config: Any, label: str | None = None, names: Any = ()) -> list[Ref[Any]]:
        found = super().map(stage, inputs, config, label)
        if stage.name != MAPPING.name or self._disturb == DisturbConfig():
            return found
        return super().map(DISTURB, found, self._disturb)


def truth_of(case: Case, shots: list[Shot], results: Results, data: Path, out: Path, surface: bool) -> dict[str, Any]:
    """How far a run is from what is known, for :func:`faults_of`."""
    scene = results.mapping.scene
    poses = {image.name: image.cam_from_world for image in scene.images}
    reference = _reference(case, poses, data, out)
    found = {stem(name): pose for name, pose in poses.items() if stem(name) in reference}
    wanted = {stem(shot.name): reference[stem(shot.name)] for shot in shots if stem(shot.name) in reference}
    share = len(found) / max(1, len(shots))
    facts: dict[str, Any] = {"registered": share, "foreign": len(poses) - len(found), "frame": scene.frame}
    if len(found) >= 3:
        error = camera_error(found, wanted)
        centres = np.array([np.linalg.solve(pose[:, :3], -pose[:, 3]) for pose in wanted.values()])
        extent = float(np.linalg.norm(np.ptp(centres, axis=0)))
        facts |= {"position": error.position_max / extent, "rotation_deg": error.rotation_max_deg}
        if case.moves_centre:  # a shifted principal point and a turned camera are the same photograph
            facts["rotation_deg"] = 0.0
        up = align_cameras(found, wanted).rotation[:, 2].tolist()
        if scene.frame == "georeferenced" and case.base == "brighton":
            facts["turned_over"] = bool(up[2] < 0)
        if scene.frame != "arbitrary":
            facts["up_deg"] = float(np.degrees(np.arccos(np.clip(np.dot(up, _usual(case, "up", up, out)), -1, 1))))
    facts["ncc"] = _clean_correlation(case, results, data) if surface else 1.0
    return facts | {"usual_ncc": _usual(case, "ncc", facts["ncc"], out)}


def faults_of(truth: dict[str, Any]) -> list[str]:
    """What is broken in a run."""
    faults = {
        "cameras": truth.get("position", 9.0) > FAR or truth.get("rotation_deg", 180.0) > TURNED_DEG,
        "half": truth["registered"] < HALF,
        "turned over": truth.get("turned_over", False),
        "lies": truth.get("up_deg", 0.0) > LIES_DEG,
        "surface": truth["ncc"] < truth["usual_ncc"] - BLURRED,
    }
    return [fault for fault, holds in faults.items() if holds]


def _reference(case: Case, poses: dict[str, Any], data: Path, out: Path) -> dict[str, Any]:
    """Surveyed poses, or those of the whole clean set, which is run first."""
    if case.base in SURVEYED:
        return {stem(name): pose for name, pose in read_cameras(data / case.base / SURVEYED[case.base]).items()}
    stored = out / f"{case.base}.poses.json"
    if case.name == case.base:
        stored.write_text(json.dumps({name: pose.tolist() for name, pose in poses.items()}))
    return {stem(name): np.array(pose) for name, pose in json.loads(stored.read_text()).items()}


def _clean_correlation(case: Case, results: Results, data: Path) -> float:
    """Mean local correlation of the model with the clean photographs, where cameras show these."""
    renderer = Renderer(results.textured.load())
    clean = {shot.name: shot.image for shot in load_shots(data, case.base, 1, None)}
    scene = results.mapping.scene
    scores = [
        view_score(rephotograph(renderer, scene.camera_of(image), image.cam_from_world, WIDTH_PX), clean[image.name])
        for image in scene.images[::2]
        if image.name in clean and not case.moves_pixels
    ]
    return float(np.mean([score.ncc for score in scores])) if scores else 1.0


def _usual(case: Case, name: str, value: Any, out: Path) -> Any:
    """What the whole clean set has of this; `value` where this is its run."""
    stored = out / f"{case.base}.{name}.json"
    if case.name == case.base:
        stored.write_text(json.dumps(value))
    return json.loads(stored.read_text())


def _write(shots: list[Shot], folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for shot in shots:
        path = folder / shot.name
        Image.fromarray(shot.image).save(path, quality=shot.quality, exif=shot.exif.tobytes())
        if shot.hole:
            content = bytearray(path.read_bytes())
            middle = len(content) // 2
            content[middle : middle + 16_000] = bytes(16_000)
            path.write_bytes(content)


def _intrinsics(case: Case, folder: Path) -> CalibrationText | None:
    if case.focal is None:
        return None
    width, height = Image.open(next(iter(sorted(folder.glob("*.jpg"))))).size
    focal = case.focal * FOCAL_PX[case.base] * width
    return CalibrationText(f"{focal} 0 {width / 2}\n0 {focal} {height / 2}\n0 0 1\n", f"{folder.name}.K.txt")


def table(stored: list[dict[str, Any]]) -> str:
    """One line a run, and how often the judgement was wrong."""
    lines, count = [], {(broken, told): 0 for broken in (False, True) for told in (False, True)}
    for run in stored:
        if "failed" in run:
            count[True, True] += 1
            lines.append(f"{run['name']:<30} failed     {run['failed']}")
            continue
        judgement = weigh(JudgementSigns(**run["signs"]))
        faults = faults_of(run["truth"])
        broken = bool(faults)
        count[broken, judgement.verdict != "good"] += 1
        wrong = "  <-- wrong" if broken != (judgement.verdict != "good") else ""
        codes = ", ".join(reason.code for reason in judgement.reasons)
        truth = ", ".join(faults) or "sound"
        lines.append(f"{run['name']:<30} {judgement.verdict:<10} {truth:<24} {codes}{wrong}")
    lines += [
        f"sound runs  {count[False, False] + count[False, True]:3d}, false alarms {count[False, True]}",
        f"broken runs {count[True, False] + count[True, True]:3d}, missed {count[True, False]}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
