"""Photographs that bring their processes down: found out, named, left out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from e2e3d.config.overrides import parse_assignments
from e2e3d.config.presets import configure
from e2e3d.errors import UnitDiedError
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.passes import PassUnits
from e2e3d.pipeline.pipeline import reconstruct
from e2e3d.pipeline.poisoned_units import compute_without
from e2e3d.storage.store import ArtifactStore
from tests.command import SMALL, SampleRun


class DyingExecutor(InProcessExecutor):
    """Ends as the Ray executor does when a unit with one of these titles has killed three processes."""

    def __init__(self, store: ArtifactStore, poison: Callable[[str, object], bool]) -> None:
        super().__init__(store, device="cpu")
        self._poison = poison
        self.died: list[str] = []

    def _compute(self, work: Sequence[PassUnits], done: Any) -> None:
        for part in work:
            for key, inputs in part.units.items():
                if self._poison(part.titles[key], inputs):
                    self.died.append(part.titles[key])
                    name = part.titles[key].partition(": ")[2]
                    raise UnitDiedError("worker-died", f"The process computing {name} was killed 3 times.", "", name)
        super()._compute(work, done)


def died(name: str) -> UnitDiedError:
    return UnitDiedError("worker-died", f"{name} died.", "", name)


def test_photographs_that_die_are_left_out_one_after_another() -> None:
    calls: list[list[int]] = []

    def compute(kept: list[int]) -> str:
        calls.append(list(kept))
        for name in ("b", "d"):
            if "abcd".index(name) in kept:
                raise died(name)
        return "done"

    assert compute_without("abcd", compute) == ("done", [0, 2])
    assert calls == [[0, 1, 2, 3], [0, 2, 3], [0, 2]]


def test_where_many_die_the_machine_is_at_fault() -> None:
    def compute(kept: list[int]) -> None:
        raise died("abcdef"[kept[0]])

    with pytest.raises(UnitDiedError, match="c died"):
        compute_without("abcdef", compute)


def test_a_unit_that_is_no_photograph_is_not_left_out() -> None:
    def compute(kept: list[int]) -> None:
        raise died("1 of 1")

    with pytest.raises(UnitDiedError, match="1 of 1"):
        compute_without("abc", compute)


@pytest.mark.slow
@pytest.mark.operations
def test_a_model_is_made_without_photographs_that_cannot_be_read_searched_or_measured(
    sample_run: SampleRun, tmp_path: Path
) -> None:
    shutil.copytree(sample_run.out / ".e2e3d" / "store", tmp_path / "store")
    names = sorted(path.name for path in sample_run.photos.iterdir())
    unread, unmeasured = names[0], names[4]

    def poison(title: str, inputs: Any) -> bool:
        files = [file.name for file in getattr(inputs, "files", ())]
        return unread in files or title == f"depth: {unmeasured}"

    shutil.rmtree(tmp_path / "store" / "ingest")  # what was computed before hides no poison
    shutil.rmtree(tmp_path / "store" / "depth")
    executor = DyingExecutor(ArtifactStore(str(tmp_path / "store")), poison)
    config = configure("preview", parse_assignments(SMALL))
    results = reconstruct(sample_run.photos, config, executor)

    assert executor.died == [f"ingest: {unread} and 3 more", f"ingest: {unread}", f"depth: {unmeasured}"]
    assert [photo.name for photo in results.photos] == names
    assert [photo.name for photo in results.photos if not photo.usable] == [unread]
    assert results.photos[0].problems[0].code == "brings-down"
    registered = len(results.mapped.load().scene.images)
    assert registered == len(names) - 1
    assert len(results.depths) == len(results.views) == len(results.geometry) == registered - 1
    assert len(results.textured.load().mesh.faces) > 1000
