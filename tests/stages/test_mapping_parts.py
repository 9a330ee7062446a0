"""A set that is mapped in parts comes out as if it had been mapped jointly; exact poses of a closed ring are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from e2e3d.config.mapping import MappingConfig
from e2e3d.config.pipeline import PipelineConfig
from e2e3d.data.features import Features, MatchBlock
from e2e3d.data.photo_parts import PartModels, PhotoParts
from e2e3d.data.ref import Ref
from e2e3d.data.scene import Mapping
from e2e3d.data.stats import UnitStats
from e2e3d.ops.matching.match_blocks import select_pairs
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.pipeline import map_cameras
from e2e3d.stages import mapping, mapping_parts
from e2e3d.stages.stage import RunContext
from e2e3d.storage.store import ArtifactStore
from tests.ops.synthetic_sfm import SyntheticSet, match_by_points, pose_errors, ring_set

COUNT = 48
IN_PARTS = MappingConfig(joint_up_to=20, part_photos=15)


@pytest.fixture(scope="module")
def ring() -> SyntheticSet:
    return ring_set(COUNT)


@pytest.fixture(scope="module")
def blocks(ring: SyntheticSet) -> list[MatchBlock]:
    """The matches of the ring in two blocks."""
    block = match_by_points(ring, min_common=20)
    first = np.arange(len(block.pairs)) % 2 == 0
    return [select_pairs(block, first), select_pairs(block, ~first)]


def parts_of(ring: SyntheticSet, blocks: list[MatchBlock]) -> PhotoParts:
    inputs = mapping_parts.PartsInputs(len(ring.photos), tuple(map(Ref.of, blocks)))
    return mapping_parts.run_parts(inputs, IN_PARTS, RunContext())


def models_of(ring: SyntheticSet, blocks: list[MatchBlock]) -> tuple[PartModels, ...]:
    features = ring.feature_refs()
    found = []
    for part in parts_of(ring, blocks).parts:
        members = tuple(part.photos.tolist())
        inputs = mapping_parts.PartInputs(
            members,
            tuple(ring.photos[i] for i in members),
            tuple(features[i] for i in members),
            tuple(Ref.of(blocks[i]) for i in part.blocks.tolist()),
        )
        found.append(mapping_parts.run(inputs, IN_PARTS, RunContext()))
    return tuple(found)


def join(ring: SyntheticSet, blocks: list[MatchBlock], models: tuple[PartModels, ...]) -> Mapping:
    refs = tuple(map(Ref.of, models))
    inputs = mapping.MappingInputs(ring.photos, ring.feature_refs(), tuple(map(Ref.of, blocks)), parts=refs)
    return mapping.run(inputs, IN_PARTS, RunContext())


def errors(result: Mapping, ring: SyntheticSet) -> tuple[float, float]:
    return pose_errors({image.photo_index: image.cam_from_world for image in result.scene.images}, ring.poses)


@pytest.mark.slow
@pytest.mark.parametrize("known_intrinsics", [True, False])
def test_parts_give_the_poses_of_a_joint_solve(known_intrinsics: bool, blocks: list[MatchBlock]) -> None:
    ring = ring_set(COUNT, known_intrinsics)
    joint = join(ring, blocks, ())
    parts = join(ring, blocks, models_of(ring, blocks))
    assert parts.component_sizes == (COUNT,)
    assert parts.left_out == ()
    (distance, angle), (joint_distance, joint_angle) = errors(parts, ring), errors(joint, ring)
    assert distance < max(1.2 * joint_distance, 0.04)  # metres, where noise of 0.3 pixels is 3 millimetres
    assert angle < max(1.2 * joint_angle, 0.3)
    assert len(parts.scene.points_world) > 0.97 * len(joint.scene.points_world)
    np.testing.assert_allclose(parts.scene.cameras[0].params[0], joint.scene.cameras[0].params[0], rtol=1e-3)


@pytest.mark.slow
def test_a_part_without_a_model_is_placed_from_the_others(ring: SyntheticSet, blocks: list[MatchBlock]) -> None:
    models = models_of(ring, blocks)
    result = join(ring, blocks, (models[0], PartModels(()), models[2]))
    assert result.component_sizes == (COUNT,)
    distance, _ = errors(result, ring)
    assert distance < 0.1


@pytest.mark.slow
def test_parts_that_hardly_hold_together_are_mapped_jointly(ring: SyntheticSet, blocks: list[MatchBlock]) -> None:
    models = models_of(ring, blocks)
    result = join(ring, blocks, models[:1])  # 20 of 48 photographs: the others would be placed one by one
    joint = join(ring, blocks, ())
    np.testing.assert_array_equal(result.scene.points_world, joint.scene.points_world)


@pytest.mark.slow
def test_a_wrong_model_of_a_part_does_not_bend_the_others(ring: SyntheticSet, blocks: list[MatchBlock]) -> None:
    """One that mapped its photographs onto another place: its shared points contradict those of both neighbours."""
    models = models_of(ring, blocks)
    (wrong, *_) = models[1].models
    points = np.random.default_rng(0).permutation(wrong.points_world)
    result = join(ring, blocks, (models[0], PartModels((replace(wrong, points_world=points),)), models[2]))
    assert len(result.scene.images) == COUNT  # placed again, by their matches
    distance, _ = errors(result, ring)
    assert distance < 0.1


@pytest.mark.slow
def test_the_pipeline_maps_a_large_set_in_parts_and_repeats_only_the_one_that_is_missing(
    ring: SyntheticSet, blocks: list[MatchBlock], tmp_path: Path
) -> None:
    store = ArtifactStore(str(tmp_path))
    nothing = UnitStats(0.0, 0.0, 0, "")
    features = [Ref(ref.key, Features) for ref in ring.feature_refs()]
    matches = [Ref(f"matching/{number}", MatchBlock) for number in range(len(blocks))]
    for ref, value in zip((*features, *matches), (*ring.features, *blocks), strict=True):
        store.put(ref.key, value, nothing)
    config = replace(PipelineConfig(), mapping=IN_PARTS)

    def mapped() -> tuple[Ref[Mapping], InProcessExecutor]:
        run = InProcessExecutor(store, device="cpu")
        return map_cameras(ring.photos, None, None, None, config, run, features, matches), run

    first, run = mapped()
    before = first.load().scene
    assert [(stats.stage, stats.units) for stats in run.stats] == [
        ("mapping-plan", 1),
        ("mapping-part", 3),
        ("mapping", 1),
    ]
    parts = sorted(key for key in store.sizes() if key.startswith("mapping-part/"))
    for key in (first.key, parts[1]):
        store.remove(key)
    again, run = mapped()
    assert [stats.units - stats.reused_units for stats in run.stats] == [0, 1, 1]
    assert again.key == first.key
    np.testing.assert_array_equal(again.load().scene.points_world, before.points_world)
