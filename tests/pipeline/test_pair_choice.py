"""Which pairs a larger set is matched by, from its features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from e2e3d.config.pairs import without_comparison
from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.presets import PRESETS
from e2e3d.data.features import Features
from e2e3d.data.photo import CameraGuess, Photo
from e2e3d.data.ref import Ref
from e2e3d.data.stats import UnitStats
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.pair_choice import choose_pairs
from e2e3d.pipeline.plugins import Plugins
from e2e3d.stages import pairs
from e2e3d.storage.store import ArtifactStore

SEEN, STEP = 120, 20
"""Points that a photograph sees, and how many of them the next one does not see."""


def street(count: int, run: InProcessExecutor) -> tuple[list[Photo], list[Ref[Features]]]:
    """Photographs along a street: each shares points with the next five on either side, and stores its features."""
    random = np.random.default_rng(7)
    world = random.exponential(1.0, (STEP * count + SEEN, 128))
    world *= 512 / np.linalg.norm(world, axis=1, keepdims=True)
    photos, found = [], []
    for i in range(count):
        seen = random.permutation(np.arange(STEP * i, STEP * i + SEEN))
        descriptors = np.clip(world[seen] + random.normal(0, 3, (SEEN, 128)), 0, 255).round().astype(np.uint8)
        keypoints = np.column_stack([random.uniform(0, 600, (SEEN, 2)), random.uniform(1, 9, SEEN), np.zeros(SEEN)])
        features = Features(keypoints.astype(np.float32), descriptors, np.zeros((SEEN, 3), np.uint8))
        run.store.put(f"features/{i:064x}", features, UnitStats(0, 0, 0, "here"))
        found.append(Ref(f"features/{i:064x}", Features))
        photos.append(Photo(f"{i}.jpg", f"{i:064x}", 600, 400, CameraGuess("one", 500.0, "guess"), sharpness=1.0))
    return photos, found


def config_of(**values: int) -> PipelineConfig:
    preview = PRESETS["preview"]
    return replace(preview, pairs=replace(preview.pairs, **values))


@pytest.mark.parametrize("compare_all_up_to", [100, 20])
def test_pairs_that_share_features_are_chosen_and_few_others(tmp_path: Path, compare_all_up_to: int) -> None:
    run = InProcessExecutor(ArtifactStore(str(tmp_path)), device="cpu")
    photos, found = street(40, run)
    config = config_of(compare_all_up_to=compare_all_up_to, similar_neighbours=14)
    chosen = choose_pairs(photos, False, found, config, run)
    steps = chosen[:, 1] - chosen[:, 0]
    assert [int((steps == step).sum()) for step in range(1, 6)] == [39, 38, 37, 36, 35]
    assert len(chosen) < 1.1 * (39 + 38 + 37 + 36 + 35)  # of 780: those at the ends get partners too
    names = [one.stage for one in run.stats]
    assert names[-3:] == ["pairs", "overlap", "overlapping-pairs"]
    assert ("retrieval" in names) == (compare_all_up_to < 40)


def test_thirty_photographs_are_all_matched_before_any_feature_is_found(tmp_path: Path) -> None:
    run = InProcessExecutor(ArtifactStore(str(tmp_path)), device="cpu")
    photos = street(30, run)[0]
    assert len(choose_pairs(photos, False, (), PRESETS["preview"], run)) == 30 * 29 // 2
    assert [one.stage for one in run.stats] == ["pairs"]


def test_features_of_ones_own_are_not_compared() -> None:
    config = without_comparison(PRESETS["preview"].pairs)
    assert not pairs.need_features(2000, False, config)
    assert not pairs.need_features(2000, True, config)
    assert not Plugins({"features": pairs.STAGE}).compares_pairs
    assert Plugins({"matching": pairs.STAGE}).compares_pairs
