"""Where models of overlapping parts lie: one similarity for each, from the points that they share.

Two models share a point where both observe the same keypoint; from these the similarity between them follows by
RANSAC. An overlap counts only if most of its points and of its cameras agree, and one that closes a loop only if it
fits the others of the loop: equal houses on two ends of a street match well, and are wrong. What remains is adjusted
together as pose graphs are (Strasdat, Montiel and Davison, "Scale drift-aware large scale monocular SLAM", RSS 2010),
but on points.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from e2e3d.data.photo_parts import PartModel
from e2e3d.ops.geo.georeferencing import Similarity, fit_similarity_robust
from e2e3d.ops.poses import centres_of

_TOLERANCE = 0.02  # of the distance from which a point is seen: twice what the depth of a small baseline is known to
_MOST_POINTS = 2000  # of an overlap, for the search; and for the adjustment of all
_ADJUSTED_POINTS = 100
_FEWEST_POINTS, _FEWEST_CAMERAS, _AGREE = 20, 2, 0.5
_CAMERA_DEG = 5.0
_LOOP_GAP = 0.1  # of the viewing distance, for each overlap that a loop goes round
_ROUNDS, _CONVERGED = 20, 1e-9

Vectors = NDArray[np.float64]
IDENTITY = Similarity(1.0, np.eye(3), np.zeros(3))


@dataclass(frozen=True)
class Overlap:
    """Two models that agree on what they share.

    Attributes:
        first, second: numbers of the models.
        points: int64 [K, 2], the points of either that agree.
        second_to_first: brings the second into the frame of the first.
        distance: from which the points are seen, median, in the frame of the first.
    """

    first: int
    second: int
    points: NDArray[np.int64]
    second_to_first: Similarity
    distance: float


@dataclass(frozen=True)
class AlignedModels:
    """Models in one frame: similarity of each by its number, and the overlaps that tie them."""

    to_world: dict[int, Similarity]
    overlaps: tuple[Overlap, ...]


def align_models(models: Sequence[PartModel]) -> list[AlignedModels]:
    """Groups of models that overlaps connect, the one with most photographs first; each model is in one group."""
    overlaps = sorted(find_overlaps(models), key=lambda one: (-len(one.points), one.first, one.second))
    groups = [_aligned(models, root, overlaps) for root in _roots(len(models), overlaps)]
    return sorted(groups, key=lambda group: -len(_photos(models, group)))


def find_overlaps(models: Sequence[PartModel]) -> list[Overlap]:
    """All pairs of models that share photographs and agree on them."""
    holders = defaultdict(list)
    for number, model in enumerate(models):
        for photo in model.photos.tolist():
            holders[photo].append(number)
    pairs = sorted({pair for numbers in holders.values() for pair in combinations(numbers, 2)})
    return [found for pair in pairs if (found := _overlap(models, *pair)) is not None]


def shared_points(first: PartModel, second: PartModel) -> NDArray[np.int64]:
    """int64 [K, 2], points of the two that a keypoint belongs to in both, each pair once."""
    _, one, other = np.intersect1d(keypoint_codes(first), keypoint_codes(second), return_indices=True)
    both = np.column_stack([first.observation_point[one], second.observation_point[other]])
    return np.unique(both.astype(np.int64).reshape(-1, 2), axis=0)


def keypoint_codes(model: PartModel) -> NDArray[np.int64]:
    """A number for the keypoint of each observation, the same in all models."""
    return model.observation_photo.astype(np.int64) << 32 | model.observation_keypoint.astype(np.int64)


def _overlap(models: Sequence[PartModel], first: int, second: int) -> Overlap | None:
    one, other = models[first], models[second]
    points = shared_points(one, other)
    _, in_one, in_other = np.intersect1d(one.photos, other.photos, return_indices=True)
    if len(points) < _FEWEST_POINTS or len(in_one) < _FEWEST_CAMERAS:
        return None
    targets = one.points_world[points[:, 0]]
    centres = centres_of(one.cam_from_world[in_one])
    distance = float(np.median(np.linalg.norm(targets[:, None] - centres, axis=2).min(axis=1)))
    some = points[:: max(1, len(points) // _MOST_POINTS)]
    fitted = fit_similarity_robust(other.points_world[some[:, 1]], one.points_world[some[:, 0]], _TOLERANCE * distance)
    if fitted is None or fitted[1].mean() < _AGREE:
        return None
    similarity = fitted[0]
    gaps = np.linalg.norm(similarity.apply(other.points_world[points[:, 1]]) - targets, axis=1)
    agree = points[gaps <= _TOLERANCE * distance]
    turns = other.cam_from_world[in_other, :, :3] @ similarity.rotation.T @ one.cam_from_world[in_one, :, :3].mT
    fit = np.degrees(Rotation.from_matrix(turns).magnitude()) < _CAMERA_DEG
    if len(agree) < _FEWEST_POINTS or fit.sum() < _FEWEST_CAMERAS or fit.mean() < _AGREE:
        return None
    return Overlap(first, second, agree, similarity, distance)


def _roots(count: int, overlaps: Sequence[Overlap]) -> list[int]:
    """One model of every connected group."""
    group = list(range(count))
    for one in overlaps:
        old, new = group[one.second], group[one.first]
        group = [new if number == old else number for number in group]
    return [group.index(number) for number in sorted(set(group))]


def _aligned(models: Sequence[PartModel], root: int, overlaps: Sequence[Overlap]) -> AlignedModels:
    """The group of a model: placed along its strongest overlaps, then by all that fit these."""
    to_world, used = {root: IDENTITY}, list[Overlap]()
    steps: dict[int, tuple[int, ...]] = {root: (root,)}
    while (one := next((each for each in overlaps if _leads_out(each, to_world)), None)) is not None:
        known, new = (one.first, one.second) if one.first in to_world else (one.second, one.first)
        step = one.second_to_first if known == one.first else inverse(one.second_to_first)
        to_world[new], steps[new] = compose(to_world[known], step), (*steps[known], new)
        used.append(one)
    for one in overlaps:
        if one.first in to_world and one not in used and _closes(models, one, to_world, steps):
            used.append(one)
    return AlignedModels(_adjusted(models, root, to_world, used), tuple(used))


def _leads_out(one: Overlap, to_world: dict[int, Similarity]) -> bool:
    return (one.first in to_world) != (one.second in to_world)


def _closes(
    models: Sequence[PartModel], one: Overlap, to_world: dict[int, Similarity], steps: dict[int, tuple[int, ...]]
) -> bool:
    """Whether the two models lie about as their overlap says, after the way from one to the other."""
    way = len(set(steps[one.first]) ^ set(steps[one.second]))
    here = to_world[one.first].apply(models[one.first].points_world[one.points[:, 0]])
    there = to_world[one.second].apply(models[one.second].points_world[one.points[:, 1]])
    gap = float(np.median(np.linalg.norm(here - there, axis=1)))
    return gap <= _LOOP_GAP * way * one.distance * to_world[one.first].scale


def _adjusted(
    models: Sequence[PartModel], root: int, to_world: dict[int, Similarity], overlaps: Sequence[Overlap]
) -> dict[int, Similarity]:
    """The similarities that bring shared points closest together, by Gauss-Newton; that of `root` stays."""
    place = {number: i for i, number in enumerate(number for number in to_world if number != root)}
    found, previous, before = dict(to_world), dict(to_world), np.inf
    for _ in range(_ROUNDS if place else 0):
        H, g, cost = np.zeros((7 * len(place), 7 * len(place))), np.zeros(7 * len(place)), 0.0
        for one in overlaps:
            some = one.points[:: max(1, len(one.points) // _ADJUSTED_POINTS)]
            here = found[one.first].apply(models[one.first].points_world[some[:, 0]])
            there = found[one.second].apply(models[one.second].points_world[some[:, 1]])
            weight = 1 / (one.distance * to_world[one.first].scale)
            residuals = weight * (here - there)
            parts = ((one.first, weight * _jacobian(here)), (one.second, -weight * _jacobian(there)))
            cost += float((residuals**2).sum())
            _add(H, g, [(place[number], J) for number, J in parts if number in place], residuals)
        if cost >= (1 - _CONVERGED) * before:
            return previous if cost > before else found
        previous, before = found, cost
        steps = np.linalg.lstsq(H, -g)[0].reshape(-1, 7)
        found = {n: _moved(one, steps[place[n]]) if n in place else one for n, one in found.items()}
    return found


def _jacobian(points: Vectors) -> Vectors:
    """[K, 3, 7], how points move when their model turns, grows and shifts a little."""
    x, y, z = points.T
    zero = np.zeros_like(x)
    turning = np.stack([zero, z, -y, -z, zero, x, y, -x, zero], 1).reshape(-1, 3, 3)
    shift = np.broadcast_to(np.eye(3), (len(points), 3, 3))
    return np.concatenate([turning, points[:, :, None], shift], axis=2)


def _add(H: Vectors, g: Vectors, parts: Sequence[tuple[int, Vectors]], residuals: Vectors) -> None:
    for i, J in parts:
        g[7 * i : 7 * i + 7] += np.einsum("kri,kr->i", J, residuals)
        for j, other in parts:
            H[7 * i : 7 * i + 7, 7 * j : 7 * j + 7] += np.einsum("kri,krj->ij", J, other)


def _moved(one: Similarity, step: Vectors) -> Similarity:
    turn, scale = Rotation.from_rotvec(step[:3]).as_matrix(), float(np.exp(step[3]))
    return compose(Similarity(scale, turn, step[4:]), one)


def compose(outer: Similarity, inner: Similarity) -> Similarity:
    """First `inner`, then `outer`."""
    return Similarity(
        outer.scale * inner.scale, outer.rotation @ inner.rotation, outer.apply(inner.translation[None])[0]
    )


def inverse(one: Similarity) -> Similarity:
    """Back from where `one` leads."""
    back = one.rotation.T
    return Similarity(1 / one.scale, back, -back @ one.translation / one.scale)


def _photos(models: Sequence[PartModel], group: AlignedModels) -> set[int]:
    return {photo for number in group.to_world for photo in models[number].photos.tolist()}
