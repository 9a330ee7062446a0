"""Photographs whose place in the model contradicts what the others saw.

A photograph of the other, equal half of a building, a mirrored one, or one from another day registers by what looks the
same, with small errors, and is wrong. Two signs reveal it. Its verified matches with other photographs, those that
mapping did not use included, do not fit its place (Zach, Klopschitz and Pollefeys, "Disambiguating visual relations
using loop constraints", CVPR 2010, here against the poses of the finished model). And it does not see what it should:
points that others see from about its place are missing in it (Zach, Irschara and Bischof, "What can missing
correspondences tell us about 3D structure and motion?", CVPR 2008; Heinly, Dunn and Frahm, "Correcting for duplicate
scene structure in sparse 3D reconstruction", ECCV 2014), not here and there, but over whole parts of the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pycolmap
from numpy.typing import NDArray

from e2e3d.data.agreement import FEW_FIT, PhotoAgreement
from e2e3d.data.features import MatchBlock
from e2e3d.data.photo import Photo
from e2e3d.ops.matching.match_blocks import matches_of

_FIT_SHARE = 0.006  # of the longer side: a match fits when a point lies so near to where the model shows it
_SIMILAR_DEG = 20.0
_SIMILAR_DISTANCE = 1.5
_REACH = np.sqrt(1 + _SIMILAR_DISTANCE**2 - 2 * _SIMILAR_DISTANCE * np.cos(np.radians(_SIMILAR_DEG)))
"""How far a viewpoint may be from one that sees a point from a similar side, in terms of the distance of either."""
_CELLS = 8  # along either side of the photograph
_CELL_POINTS = 4
_BEHIND = 1.3
_HARDLY = 0.1  # of the expected points of a cell
_MIN_CELLS, _MOST_MISSING = 6, 0.35
_MIN_AGAINST = 30
_MOST_CONTRADICTING = 1 / 3
_TYPICAL_FIT, _MIN_MATCHES = 0.85, 15  # of a photograph that supports the model


@dataclass(frozen=True)
class _View:
    """A registered photograph: its camera and pose, and the point of each keypoint (-1 = none)."""

    camera: pycolmap.Camera
    cam_from_world: NDArray[np.float64]  # [3, 4]
    point_of_keypoint: NDArray[np.int64]

    @property
    def center(self) -> NDArray[np.float64]:
        center: NDArray[np.float64] = -self.cam_from_world[:, :3].T @ self.cam_from_world[:, 3]
        return center

    @property
    def size_px(self) -> NDArray[np.float64]:
        return np.array([self.camera.width, self.camera.height], np.float64)

    def project(self, points_world: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Pixels [N, 2], NaN behind the camera, and depths [N]."""
        points = points_world @ self.cam_from_world[:, :3].T + self.cam_from_world[:, 3]
        ahead = points[:, 2] > 0
        pixels = np.full((len(points), 2), np.nan)
        pixels[ahead] = self.camera.img_from_cam(points[ahead])
        return pixels, points[:, 2]


class ModelViews:
    """Arrays of a COLMAP model: points [N, 3], views by photograph, observations as (view, point) [M, 2].

    Observations are in the order of the views, those of one view with the farthest point first: `observation_distance`
    [M] to the viewpoint; ``observation_starts`` [V + 1] in the order of `photo_indices` and `centers` [V, 3].
    """

    def __init__(self, model: pycolmap.Reconstruction, keypoint_counts: Sequence[int]) -> None:
        ids = np.array(sorted(model.point3D_ids()), np.int64)
        self.points_world = np.array([model.point3D(i).xyz for i in ids.tolist()]).reshape(-1, 3)
        self.views: dict[int, _View] = {}
        seen, distances = [], [np.zeros(0)]
        for image_id in sorted(model.reg_image_ids()):
            image = model.image(image_id)
            found = np.full(keypoint_counts[image_id - 1], -1, np.int64)
            observed = list(image.get_observation_point2D_idxs())
            found[observed] = np.searchsorted(ids, [image.points2D[k].point3D_id for k in observed])
            view = _View(model.camera(image.camera_id), image.cam_from_world().matrix(), found)
            self.views[image_id - 1] = view
            points = np.unique(found[found >= 0])
            distance = np.linalg.norm(self.points_world[points] - view.center, axis=1)
            far_first = np.argsort(-distance, kind="stable")
            seen.append(np.column_stack([np.full(len(points), image_id - 1), points[far_first]]))
            distances.append(distance[far_first])
        self.observations = np.concatenate([np.zeros((0, 2), np.int64), *seen])
        self.observation_distance = np.concatenate(distances)
        self.observation_starts = np.cumsum([0] + [len(of_view) for of_view in seen])
        self.photo_indices = np.array(list(self.views), np.int64)
        self.centers = np.array([view.center for view in self.views.values()]).reshape(-1, 3)

    def observations_near(
        self, index: int, by: frozenset[int] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Observations by others (those in `by`) of points that the view could see from a similar side and distance.

        Returns:
            the viewpoint [E, 3] and the point [E] of each.
        """
        reach = np.linalg.norm(self.centers - self.views[index].center, axis=1) / _REACH
        starts, ends = self.observation_starts[:-1], self.observation_starts[1:]
        farthest = np.append(self.observation_distance, 0.0)[starts]  # of a view without observations: another's
        centers, points = [np.zeros((0, 3))], [np.zeros(0, np.int64)]
        for v in np.flatnonzero((farthest >= reach) & (ends > starts)).tolist():
            other = int(self.photo_indices[v])
            if other == index or (by is not None and other not in by):
                continue
            start = starts[v]
            count = np.searchsorted(-self.observation_distance[start : ends[v]], -reach[v], side="right")
            points.append(self.observations[start : start + count, 1])
            centers.append(np.broadcast_to(self.centers[v], (int(count), 3)))
        return np.concatenate(centers), np.concatenate(points)


def judge_photos(
    model: pycolmap.Reconstruction,
    photos: Sequence[Photo],
    keypoints_px: Sequence[NDArray[np.float32]],
    blocks: Iterable[MatchBlock],
) -> tuple[PhotoAgreement, ...]:
    """How well each registered photograph agrees with the others.

    A photograph contradicts the model when most of its matches do not fit its place, or when whole parts of it lack
    what others see from there.

    Args:
        model: image ids are indices of `photos` plus one.
        photos: the usable photographs.
        keypoints_px: float32 [N, >= 2] of each.
        blocks: verified matches.
    """
    views = ModelViews(model, [len(keypoints) for keypoints in keypoints_px])
    fitting = fitting_matches(views, keypoints_px, blocks)
    found = []
    for index, view in views.views.items():
        tested, fit = fitting[index]
        pixels, seen = expected_points(views, index)
        share, missing = fit / max(tested, 1), missing_share(pixels, seen, view.size_px)
        contradicts = (tested - fit >= _MIN_AGAINST and share < FEW_FIT) or missing > _MOST_MISSING
        seen_share = float(seen.mean()) if len(seen) else 1.0
        found.append(PhotoAgreement(index, photos[index].name, tested, share, len(seen), seen_share, contradicts))
    return tuple(found)


def refuted(agreement: Sequence[PhotoAgreement]) -> bool:
    """Whether the photographs refute the whole model: a third of them or more have too few matches that fit it."""
    agreeing = [
        not photo.contradicts and photo.matches >= _MIN_MATCHES and photo.agreeing_share >= _TYPICAL_FIT
        for photo in agreement
    ]
    return sum(agreeing) <= (1 - _MOST_CONTRADICTING) * len(agreeing)


def remove_contradicting(model: pycolmap.Reconstruction, agreement: Sequence[PhotoAgreement]) -> bool:
    """Take the photographs that contradict the model out of it, and say whether there were any.

    Where more than a third do, the model may be wrong rather than they: none is taken out.
    """
    contradicting = [photo for photo in agreement if photo.contradicts]
    if not contradicting or len(contradicting) > _MOST_CONTRADICTING * len(agreement):
        return False
    for photo in contradicting:
        model.deregister_frame(model.image(photo.photo_index + 1).frame_id)
    return True


def missing_share(pixels: NDArray[np.float64], seen: NDArray[np.bool_], size_px: NDArray[np.float64]) -> float:
    """The share of the cells with several expected points in which hardly any is seen; 0 where few cells have some."""
    cell = cell_of(pixels, size_px)
    every, ours = np.bincount(cell, minlength=_CELLS**2), np.bincount(cell, seen, minlength=_CELLS**2)
    busy = every >= _CELL_POINTS
    if busy.sum() < _MIN_CELLS:
        return 0.0
    return float((ours[busy] < _HARDLY * every[busy]).mean())


def fitting_matches(
    model: ModelViews, keypoints_px: Sequence[NDArray[np.float32]], blocks: Iterable[MatchBlock]
) -> dict[int, tuple[int, int]]:
    """For each registered photograph how many verified matches a point of the model tests, and how many fit it."""
    counts = {index: np.zeros(2, np.int64) for index in model.views}
    for block in blocks:
        for p, (first, second) in enumerate(block.pairs.tolist()):
            if first not in model.views or second not in model.views:
                continue
            matches = matches_of(block, p).astype(np.int64)
            there = _fits(model, first, second, matches, keypoints_px)
            back = _fits(model, second, first, matches[:, ::-1], keypoints_px)
            tested, fit = ~(np.isnan(there) & np.isnan(back)), (there == 1) | (back == 1)
            for index in (first, second):
                counts[index] += (tested.sum(), fit.sum())
    return {index: (int(tested), int(fit)) for index, (tested, fit) in counts.items()}


def _fits(
    model: ModelViews,
    first: int,
    second: int,
    matches: NDArray[np.int64],
    keypoints_px: Sequence[NDArray[np.float32]],
) -> NDArray[np.float64]:
    """Whether the point of each match's first keypoint is shown where the second one lies: 1, 0, or NaN = no point."""
    view = model.views[second]
    point = model.views[first].point_of_keypoint[matches[:, 0]]
    pixels, _ = view.project(model.points_world[point])
    distance_px = np.linalg.norm(pixels - keypoints_px[second][matches[:, 1], :2], axis=1)
    fits = (distance_px < _FIT_SHARE * view.size_px.max()).astype(np.float64)
    fits[point < 0] = np.nan
    return np.asarray(fits, np.float64)


def expected_points(
    model: ModelViews, index: int, by: frozenset[int] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Points that a photograph should see because others do from about its place, and whether it observes them.

    A point counts when at least two others see it from a similar direction and distance, when it lies in the picture,
    and not behind what the photograph itself sees there.

    Args:
        model: arrays of the model.
        index: of the photograph.
        by: the photographs whose points count; None = all others.

    Returns:
        their pixels, float64 [E, 2], and bool [E].
    """
    view = model.views[index]
    centers, points = model.observations_near(index, by)
    ray = view.center - model.points_world[points]
    distance = np.linalg.norm(ray, axis=1)
    their_ray = centers - model.points_world[points]
    their_distance = np.linalg.norm(their_ray, axis=1)
    cosine = (their_ray * ray).sum(1) / np.maximum(their_distance * distance, 1e-12)
    ratio = their_distance / np.maximum(distance, 1e-12)
    similar = (cosine > np.cos(np.radians(_SIMILAR_DEG))) & (np.abs(np.log(ratio)) < np.log(_SIMILAR_DISTANCE))
    voted, votes = np.unique(points[similar], return_counts=True)
    candidates = voted[votes >= 2]
    pixels, depth = view.project(model.points_world[candidates])
    inside = (pixels > 0).all(1) & (pixels < view.size_px).all(1)
    candidates, pixels, depth = candidates[inside], pixels[inside], depth[inside]
    own = view.point_of_keypoint[view.point_of_keypoint >= 0]
    front = depth <= _BEHIND * _own_depth(view, model.points_world[own], pixels)
    return pixels[front], np.isin(candidates[front], own)


def _own_depth(view: _View, own_points: NDArray[np.float64], pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median depth of the photograph's own points in the cell of each pixel; infinite where it has none."""
    own_px, own_depth = view.project(own_points)
    medians = np.full(_CELLS * _CELLS, np.inf)
    cells = cell_of(own_px, view.size_px)
    order = np.lexsort((own_depth, cells))
    found, starts, counts = np.unique(cells[order], return_index=True, return_counts=True)
    below, above = (own_depth[order[starts + middle]] for middle in ((counts - 1) // 2, counts // 2))
    medians[found] = (below + above) / 2
    return medians[cell_of(pixels, view.size_px)]


def cell_of(pixels: NDArray[np.float64], size_px: NDArray[np.float64]) -> NDArray[np.int64]:
    """The number of the cell of a grid over the photograph that each pixel lies in."""
    column, row = np.clip(np.nan_to_num(pixels) / size_px * _CELLS, 0, _CELLS - 1).astype(np.int64).T
    return np.asarray(row * _CELLS + column, np.int64)
