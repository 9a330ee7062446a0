import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from e2e3d.ops.texturing.adjacency import face_adjacency, opposite_slots
from e2e3d.ops.texturing.candidates import Candidates
from e2e3d.ops.texturing.view_selection import SMOOTHNESS, select_views


def ribbon(count: int) -> NDArray[np.int32]:
    """A strip of `count` triangles, each sharing an edge with the next."""
    faces = [(i, i + 1, i + 2) if i % 2 == 0 else (i + 1, i, i + 2) for i in range(count)]
    return np.array(faces, np.int32)


def energy(label: NDArray[np.int64], quality: NDArray[np.float32]) -> float:
    data = -np.log(quality[np.arange(len(label)), label] / quality.max(1))
    return float(data.sum() + SMOOTHNESS * (label[1:] != label[:-1]).sum())


@pytest.mark.parametrize("seed", range(6))
def test_least_energy_is_found_on_a_ribbon(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2e3d.ops.texturing.view_selection.MERGE_ROUNDS", 0)
    faces = ribbon(8)
    quality = np.random.default_rng(seed).uniform(0.05, 1, (8, 3)).astype(np.float32)
    view = np.tile(np.arange(3, dtype=np.int16), (8, 1))
    neighbours = face_adjacency(faces)
    label = select_views(
        Candidates(view, quality, np.zeros((8, 3, 3), np.uint8)), neighbours, opposite_slots(neighbours, faces)
    )
    best = min(energy(np.array(one), quality) for one in itertools.product(range(3), repeat=8))
    assert energy(label, quality) == pytest.approx(best, abs=1e-4)


def test_face_keeps_to_its_own_candidates() -> None:
    faces = ribbon(4)
    view = np.array([[0, 2], [0, 2], [1, -1], [-1, -1]], np.int16)
    quality = np.array([[0.9, 1], [1, 0.9], [1, 0], [0, 0]], np.float32)
    neighbours = face_adjacency(faces)
    label = select_views(
        Candidates(view, quality, np.zeros((4, 2, 3), np.uint8)), neighbours, opposite_slots(neighbours, faces)
    )
    assert label[0] == label[1]
    assert label.tolist()[2:] == [1, -1]
