"""The final judgement of a run: measures the signs on its records, and weighs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.judgement import Judgement, JudgementSigns
from e2e3d.data.mesh import TexturedMesh
from e2e3d.data.photo import Photo
from e2e3d.data.run_results import Results
from e2e3d.data.scene import Mapping, Scene
from e2e3d.ops.evaluation import camera_signs as cameras
from e2e3d.ops.evaluation.cross_view import (
    cross_view,
    mean_correlation,
    points_on_surface,
    rephotography,
    small_view,
)
from e2e3d.ops.evaluation.match_signs import (
    PairAgreement,
    disagreeing_images,
    likely_share,
    points_of_keypoints,
    sampson_px,
)
from e2e3d.ops.evaluation.rendering import Renderer
from e2e3d.ops.evaluation.weigh_signs import weigh
from e2e3d.ops.geo.georeferencing import spread_of
from e2e3d.ops.matching.match_blocks import matches_of
from e2e3d.ops.poses import camera_centres
from e2e3d.ops.sfm.lens_remarks import exif_factor

_VIEWS = 6
_PAIRS = 400
_AGREES = 0.003  # of the longer side
_JUDGED_MATCHES = 30
_NO_LOSS = frozenset({"duplicate", "too-small"})  # copies and thumbnails


def judge_run(results: Results, textured: TexturedMesh) -> Judgement:
    """Measure and weigh; loads a few views and features, one after another."""
    return weigh(measure_signs(results, textured))


def measure_signs(results: Results, textured: TexturedMesh | None) -> JudgementSigns:
    """All signs of a finished run; without a textured model, those of its cameras and sparse points alone."""
    scene = results.mapping.scene
    usable = [photo for photo in results.photos if photo.usable]
    pairs = pair_agreements(results)
    judged = [pair for pair in pairs if pair.matches >= _JUDGED_MATCHES]
    surface = _SurfaceSigns(None, None, None) if textured is None else _surface_signs(results, textured)
    counts = cameras.points_a_photograph(scene)
    disagreeing = _disagreeing(results.mapping, disagreeing_images(pairs, _JUDGED_MATCHES))
    used = [scene.camera_of(image) for image in scene.images]
    return JudgementSigns(
        photographs=sum(_counts(photo) for photo in results.photos),
        registered=len(scene.images),
        other_component=max(results.mapping.component_sizes[1:], default=0),
        weakest_link=cameras.weakest_link(scene),
        points_a_photograph=int(counts.min()),
        triangulation_angle_deg=cameras.triangulation_angle_deg(scene),
        error_ratio=cameras.error_ratio(scene),
        focal_ratio=_focal_ratio(results.mapping, usable),
        distortion=max(cameras.lens_distortion(camera) for camera in set(used)),
        principal_shift=_principal_shift(results.mapping),
        parallel_relief=cameras.relief_of_parallel_views(scene),
        agreeing_matches=_share([(pair.agreeing, pair.matches) for pair in pairs]),
        agreeing_held_back=_agreeing_held_back([pair for pair in pairs if pair.mostly_agrees]),
        disagreeing_pairs=1 - float(np.mean([pair.mostly_agrees for pair in judged])) if judged else None,
        disagreeing_photographs=disagreeing,
        lacking_photographs=_lacking(results.mapping, disagreeing),
        rephotography_ncc=surface.rephotography_ncc,
        cross_view_ncc=surface.cross_view_ncc,
        points_on_surface=surface.points_on_surface,
        gps_positions=sum(photo.gps is not None for photo in usable),
        gps_error_ratio=_gps_error_ratio(scene),
        view_elevation_deg=None if scene.frame == "arbitrary" else cameras.view_elevation_deg(scene),
    )


def pair_agreements(results: Results) -> list[PairAgreement]:
    """How far the verified matches of (an even choice of) the pairs in the model agree with the final cameras."""
    scene = results.mapping.scene
    image_of = {image.photo_index: i for i, image in enumerate(scene.images)}
    blocks = results.matches[:: max(1, len(results.matches) // _PAIRS)]
    chosen = []
    for ref in blocks:
        block = ref.load()
        found = [
            (image_of[first], image_of[second], matches_of(block, p))
            for p, (first, second) in enumerate(block.pairs.tolist())
            if first in image_of and second in image_of and block.offsets[p + 1] > block.offsets[p]
        ]
        chosen += found[:: max(1, len(found) * len(blocks) // _PAIRS)]
    keypoints = {i: _keypoints(results, scene, i) for i in {i for first, second, _ in chosen for i in (first, second)}}
    return [_agreement(scene, first, second, matches, keypoints) for first, second, matches in chosen]


@dataclass(frozen=True)
class _Keypoints:
    px: NDArray[np.float64]
    point: NDArray[np.int64]


def _keypoints(results: Results, scene: Scene, index: int) -> _Keypoints:
    positions = results.features[scene.images[index].photo_index].load().keypoints_px[:, :2]
    own = scene.observation_image == index
    point = points_of_keypoints(positions, scene.observation_px[own], scene.observation_point[own])
    return _Keypoints(positions.astype(np.float64), point)


def _agreement(
    scene: Scene, first: int, second: int, matches: NDArray[np.uint32], keypoints: dict[int, _Keypoints]
) -> PairAgreement:
    one, other = scene.images[first], scene.images[second]
    pair = (scene.camera_of(one), scene.camera_of(other))
    a, b = keypoints[first], keypoints[second]
    distance_px = sampson_px(a.px[matches[:, 0]], b.px[matches[:, 1]], pair, (one.cam_from_world, other.cam_from_world))
    agrees = distance_px < _AGREES * max(max(camera.width_px, camera.height_px) for camera in pair)
    points = a.point[matches[:, 0]]
    held_back = (points < 0) | (points != b.point[matches[:, 1]])
    return PairAgreement(
        first, second, len(matches), int(agrees.sum()), int(held_back.sum()), int((agrees & held_back).sum())
    )


@dataclass(frozen=True)
class _SurfaceSigns:
    rephotography_ncc: float | None
    cross_view_ncc: float | None
    points_on_surface: float | None


def _surface_signs(results: Results, textured: TexturedMesh) -> _SurfaceSigns:
    """The textured model against a few photographs, and these against a neighbour of each."""
    renderer = Renderer(textured)
    position = {view.image_index: i for i, view in enumerate(results.geometry)}
    chosen = np.unique(np.linspace(0, len(results.views) - 1, _VIEWS).round().astype(int))
    real, moved, points = [], [], []
    for i in chosen.tolist():
        view = results.views[i].load()
        small = small_view(renderer, view)
        real.append(rephotography(small))
        points.append(points_on_surface(small, view))
        neighbour = next((position[source] for source in view.sources if source in position), None)
        if neighbour is not None:
            moved.append(cross_view(small, small_view(renderer, results.views[neighbour].load())))
    return _SurfaceSigns(mean_correlation(real), mean_correlation(moved), _share(points))


def _counts(photo: Photo) -> bool:
    """Whether the model is poorer where it lacks a photograph."""
    return not any(problem.fatal and problem.code in _NO_LOSS for problem in photo.problems)


def _disagreeing(mapping: Mapping, images: Sequence[int]) -> tuple[str, ...]:
    """Names of the images that disagree, by their matches here or by those that mapping found."""
    found = {photo.name for photo in mapping.agreement if photo.contradicts and not photo.matches_fit}
    found |= {mapping.scene.images[i].name for i in images}
    return tuple(image.name for image in mapping.scene.images if image.name in found)


def _lacking(mapping: Mapping, disagreeing: Sequence[str]) -> tuple[str, ...]:
    """Names of the other images that contradict the model: by what they do not show."""
    found = {photo.name for photo in mapping.agreement if photo.contradicts}.difference(disagreeing)
    return tuple(image.name for image in mapping.scene.images if image.name in found)


def _focal_ratio(mapping: Mapping, photos: list[Photo]) -> float | None:
    """Largest factor between a focal length and the one that EXIF states, but where EXIF is known to be wrong."""
    known = _remarked(mapping, "focal-misstated")
    stated = [
        image
        for image in mapping.scene.images
        if (guess := photos[image.photo_index].camera) is not None and guess.focal_source == "exif"
    ]
    factors = [
        exif_factor(mapping.scene, image, photos[image.photo_index]) for image in stated if image.name not in known
    ]
    return max(factors, default=1.0) if stated else None


def _principal_shift(mapping: Mapping) -> float:
    """Largest shift of a principal point, but for pictures that are known to be cropped: theirs is no surprise."""
    scene = mapping.scene
    cropped = _remarked(mapping, "cropped")
    whole = {scene.camera_of(image) for image in scene.images if image.name not in cropped}
    return max((cameras.principal_shift(camera) for camera in whole), default=0.0)


def _remarked(mapping: Mapping, code: str) -> frozenset[str]:
    """Names of the photographs that a remark of mapping is about."""
    return frozenset(name for remark in mapping.remarks if remark.code == code for name in remark.photographs)


def _agreeing_held_back(pairs: Sequence[PairAgreement]) -> float | None:
    count = sum(pair.held_back for pair in pairs)
    return likely_share(sum(pair.held_back_agreeing for pair in pairs), count) if count else None


def _gps_error_ratio(scene: Scene) -> float | None:
    """Error of the fit to GPS as a share of the spread of the cameras; None where the model is not on the Earth.

    Heights that were not believed, which is said, have no part in it: the model does not stand on them.
    """
    reference = scene.georeference
    if reference is None:
        return None
    horizontal_m = reference.horizontal_error_m
    error_m = reference.rms_error_m if reference.heights_known or horizontal_m is None else horizontal_m
    return error_m / max(float(spread_of(camera_centres(scene))[0]), 1e-9)


def _share(parts: list[tuple[int, int]]) -> float | None:
    total = sum(count for _, count in parts)
    return sum(count for count, _ in parts) / total if total else None
