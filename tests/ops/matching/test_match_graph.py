"""How far matches reach; whether the camera only turned, told from exact homographies."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e3d.ops.matching.match_graph import MatchGraph, turned_in_place


def calibration(focal_px: float) -> np.ndarray:
    return np.array([[focal_px, 0, 400], [0, focal_px, 300], [0, 0, 1.0]])


def homographies(K: np.ndarray, steps: np.ndarray, turns_rad: np.ndarray, seed: int) -> np.ndarray:
    """Of views of the plane z = 1, at any scale, as estimates are."""
    random = np.random.default_rng(seed)
    rotations = [cv2.Rodrigues(turn)[0] for turn in turns_rad]
    plane = np.array([[0, 0, 1.0]])
    moved = [rotation + step[:, None] @ plane for rotation, step in zip(rotations, steps, strict=True)]
    scales = random.uniform(0.2, 5, len(moved))
    return np.array([scale * K @ one @ np.linalg.inv(K) for scale, one in zip(scales, moved, strict=True)])


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(0.6, 1.6))
def test_turning_is_told_whatever_the_guess_of_the_focal_length(seed: int, guess: float) -> None:
    turns = np.random.default_rng(seed).uniform(-0.4, 0.4, (6, 3))
    exact = np.broadcast_to(calibration(700.0), (6, 3, 3))
    guessed = np.broadcast_to(calibration(700.0 * guess), (6, 3, 3))
    found = homographies(exact[0], np.zeros((6, 3)), turns, seed)
    assert turned_in_place(found, guessed, guessed)
    assert turned_in_place(found, exact, exact)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000))
def test_walking_along_a_wall_is_no_turning(seed: int) -> None:
    random = np.random.default_rng(seed)
    directions = random.normal(size=(6, 3)) * [1, 1, 0.3]
    steps = directions / np.linalg.norm(directions, axis=1, keepdims=True) * random.uniform(0.15, 0.5, (6, 1))
    K = np.broadcast_to(calibration(700.0), (6, 3, 3))
    found = homographies(K[0], steps, random.uniform(-0.2, 0.2, (6, 3)), seed)
    assert not turned_in_place(found, K, K)


def test_reachable_counts_the_largest_set_without_what_hangs_by_a_thread() -> None:
    pairs = np.array([[0, 1], [1, 2], [2, 6], [3, 4], [4, 5]], np.int32)
    graph = MatchGraph(pairs, np.array([40, 20, 16, 90, 90]))
    assert graph.reachable(30) == 3  # 0, 1 and 2, or 3, 4 and 5; 6 has only 16 matches
    assert graph.reachable(10) == 4
    assert graph.reachable(500) == 0
    assert MatchGraph(np.zeros((0, 2), np.int32), np.zeros(0, np.int64)).reachable(30) == 0
