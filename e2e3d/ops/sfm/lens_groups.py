"""Which photographs were taken through the same lens, and which were cropped: by the matches, not by EXIF.

Photographs without EXIF and of one size look like those of one camera, although the zoom may have changed, a telephone
may have used another lens, or they were cropped. With free intrinsics for every photograph, the matches then fit much
better than with shared ones. The photographs are divided by their focal lengths into as few lenses as fit about as well
as free intrinsics. That is a choice by cost with a penalty for parameters, as in Torr, "An Assessment of Information
Criteria for Motion Model Selection" (CVPR 1997), but with margins that the small errors of a sound model (a rolling
shutter, a breathing focus) do not reach.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.photo import Photo
from e2e3d.data.scene import Camera, Scene
from e2e3d.ops.sfm.lens_bundle import (
    MAX_IMAGES,
    Adjusted,
    LensBundle,
    adjust,
    adjust_straight_first,
    observation_cost,
    residuals_px,
)

FEW_IMAGES = 5
"""Of one camera: too few to calibrate it well by itself."""
_MUCH_BETTER = 0.25  # of the cost; sets of one lens gain 0.01 to 0.07, those of several 0.45 to 0.86
_AS_GOOD = 0.08
_COARSE = 1e-2
_MAX_LENSES, _MAX_CROPPED_LENSES = 6, 3  # cropped and resized at will, every photograph has its own focal length
_OBSERVATIONS_AN_IMAGE = 300
_FOCAL_SIGMAS, _GUESSED_FOCAL_SIGMA = {"exif": 0.2}, 0.5  # relative
_UNDETERMINED = 0.25  # of these, what the observations leave of it
_FAR = 0.25  # of these, from what EXIF says
_DETERMINED, _STAYS = 0.02, 0.05  # standard deviation of a focal length, and how far it may move, both relative
_CENTRE_SIGMA = 0.25  # of the longer side
_DISTORTION_SIGMAS = (0.2, 0.1)


@dataclass(frozen=True)
class LensGrouping:
    """Number of the focal length, principal point and distortion of each photograph, int64 [N] each, from 0."""

    focal_of: NDArray[np.int64]
    centre_of: NDArray[np.int64]
    distortion_of: NDArray[np.int64]

    @property
    def parameters(self) -> int:
        """How many numbers there are to determine, but for the distortions, which are small anyway."""
        return int(self.focal_of.max() + 2 * self.centre_of.max()) + 3

    @classmethod
    def of_lenses(cls, lens: NDArray[np.int64], cropped: bool = False) -> LensGrouping:
        """Everything shared by the photographs of a lens, or, where they are cropped, all but the principal point."""
        return cls(lens, np.arange(len(lens)) if cropped else lens, lens)


@dataclass(frozen=True)
class Intrinsics:
    """What one photograph was taken with; COLMAP's ``RADIAL`` model. Photographs with the same `lens` share a camera.

    Attributes:
        lens: number, from 0.
        cropped: whether the principal point is the photograph's own.
    """

    lens: int
    focal_px: float
    centre_px: tuple[float, float]
    distortion: tuple[float, float]
    cropped: bool


def doubtful(scene: Scene, photos: Sequence[Photo]) -> str:
    """Whether the cameras of `scene` explain the matches as they should.

    Returns:
        ``split`` when photographs with intrinsics of their own would fit much better, ``join`` when cameras took so
        few photographs that they are better calibrated together or are caught in an invented distortion, and an empty
        string when all is well.
    """
    if not 3 <= len(scene.images) <= MAX_IMAGES:
        return ""
    part = sampled(scene)
    given = numbers([image.camera_id for image in part.images])
    start = bundle_of(part, photos, LensGrouping.of_lenses(given))
    start_cost = observation_cost(residuals_px(start))
    every = np.arange(len(given))
    free = adjust(bundle_of(part, photos, LensGrouping.of_lenses(every)), _COARSE)
    few = np.bincount(given)[given] < FEW_IMAGES
    fits_badly = free.cost < (1 - _MUCH_BETTER) * start_cost
    if fits_badly and few.all():
        return "split"
    if fits_badly:
        shared, straight = adjust(start, _COARSE), adjust_straight_first(start, _COARSE)
        if free.cost < (1 - _MUCH_BETTER) * min(shared.cost, straight.cost):
            return "split"
        if straight.cost < (1 - _MUCH_BETTER) * shared.cost:
            return "join"
    return "join" if few.any() and given.max() > 0 else ""


def undetermined_cameras(scene: Scene, photos: Sequence[Photo]) -> frozenset[int]:
    """Cameras whose focal length went far from what is known of it, though the photographs do not determine it."""
    if not 3 <= len(scene.images) <= MAX_IMAGES:
        return frozenset()
    given = numbers([image.camera_id for image in scene.images])
    bundle = bundle_of(sampled(scene), photos, LensGrouping.of_lenses(given))
    known = bundle.focal_sigmas < _GUESSED_FOCAL_SIGMA
    tolerance = np.where(known, _FAR, 1.0) * bundle.focal_sigmas
    far = np.abs(np.log(bundle.focals_px / bundle.known_focals_px)) > tolerance
    if not far.any():
        return frozenset()
    loose = adjust(bundle, _COARSE).focal_sigmas > _UNDETERMINED * bundle.focal_sigmas
    ids = {number: image.camera_id for number, image in zip(given.tolist(), scene.images, strict=True)}
    return frozenset(ids[number] for number in np.flatnonzero(far & loose).tolist())


def determined_cameras(scene: Scene, photos: Sequence[Photo]) -> frozenset[int]:
    """Cameras whose focal length the observations determine to 2 %, whatever its prior."""
    if not 3 <= len(scene.images) <= MAX_IMAGES:
        return frozenset()
    given = numbers([image.camera_id for image in scene.images])
    known = bundle_of(sampled(scene), photos, LensGrouping.of_lenses(given))
    unknown = replace(known, known_focals_px=known.focals_px, focal_sigmas=np.ones_like(known.focal_sigmas))
    found = adjust(unknown, _COARSE)
    stays = np.abs(np.log(found.bundle.focals_px / known.focals_px)) < _STAYS
    determined = stays & (found.focal_sigmas < _DETERMINED)
    return frozenset(
        image.camera_id for image, number in zip(scene.images, given.tolist(), strict=True) if determined[number]
    )


def calibrate(scene: Scene, photos: Sequence[Photo]) -> tuple[tuple[Intrinsics, ...], Adjusted]:
    """Find the lenses of a scene, in which every photograph may have a camera of its own.

    Returns:
        The intrinsics of each of the scene's images, and the adjusted bundle with all points of the scene.
    """
    part = sampled(scene)
    sizes = [(camera.width_px, camera.height_px) for camera in map(scene.camera_of, scene.images)]
    every = np.arange(len(sizes))
    free = adjust(bundle_of(part, photos, LensGrouping.of_lenses(every)))
    chosen, adjuster = LensGrouping.of_lenses(every), adjust
    for candidate, way in itertools.product(
        _candidates(free.bundle.focals_px, numbers(sizes)), (adjust, adjust_straight_first)
    ):
        if way(bundle_of(_moved(part, free), photos, candidate, free.bundle)).cost <= (1 + _AS_GOOD) * free.cost:
            chosen, adjuster = candidate, way
            break
    whole = adjuster(bundle_of(scene, photos, chosen, free.bundle))
    return _intrinsics(whole.bundle), whole


def _moved(part: Scene, free: Adjusted) -> Scene:
    images = tuple(
        replace(image, cam_from_world=pose) for image, pose in zip(part.images, free.bundle.poses, strict=True)
    )
    return replace(part, images=images, points_world=free.bundle.points_world)


def _candidates(focals_px: NDArray[np.float64], size: NDArray[np.int64]) -> list[LensGrouping]:
    """Ways to share intrinsics, those with the fewest parameters first."""
    one, every = np.zeros(len(size), np.int64), np.arange(len(size))
    clusters = [part_focals(focals_px, count) for count in range(1, min(_MAX_LENSES, len(size) - 1) + 1)]
    uncropped = [numbers(list(zip(size.tolist(), lens.tolist(), strict=True))) for lens in clusters]
    ways = [LensGrouping.of_lenses(lens) for lens in uncropped]
    ways += [LensGrouping.of_lenses(lens, cropped=True) for lens in clusters[:_MAX_CROPPED_LENSES]]
    ways += [LensGrouping(every, size, size), LensGrouping(every, every, one)]
    return sorted(ways, key=lambda way: way.parameters)


def part_focals(focals_px: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Part focal lengths into `count` groups with the smallest sum of squared logarithmic deviations.

    Exact, by dynamic programming over the sorted values (Fisher, "On Grouping for Maximum Homogeneity", 1958).

    Returns:
        int64 [N], the number of each one's group; groups are numbered by focal length.
    """
    order = np.argsort(focals_px, kind="stable")
    values = np.log(focals_px[order])
    sums, squares = (np.concatenate([[0.0], np.cumsum(values**power)]) for power in (1, 2))
    length = np.arange(len(values) + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = squares[None] - squares[:, None] - (sums[None] - sums[:, None]) ** 2 / (length[None] - length[:, None])
    spread[length[None] <= length[:, None]] = np.inf  # from the first to before the second
    best, cuts = spread[0], []
    for _ in range(count - 1):
        total = best[:, None] + spread
        cuts.append(total.argmin(axis=0))
        best = total.min(axis=0)
    group, end = np.zeros(len(values), np.int64), len(values)
    for cut in reversed(cuts):
        end = int(cut[end])
        group[end:] += 1
    result = np.empty_like(group)
    result[order] = group
    return result


def bundle_of(
    scene: Scene, photos: Sequence[Photo], sharing: LensGrouping, start: LensBundle | None = None
) -> LensBundle:
    """The scene's bundle with the intrinsics shared as given; values that differ become their median.

    Args:
        scene: poses, points, observations, and the intrinsics to start from.
        photos: with what is known of their cameras.
        sharing: of the scene's images.
        start: intrinsics to start from instead, one of each image.
    """
    cameras = [scene.camera_of(image) for image in scene.images]
    sizes = np.array([[camera.width_px, camera.height_px] for camera in cameras], np.float64)
    values = np.array([_radial(camera) for camera in cameras])
    if start is not None:
        values = np.column_stack([start.focals_px, start.centres_px, start.distortions])
    guesses = [photos[image.photo_index].camera for image in scene.images]
    known = np.array([guess.focal_px for guess in guesses if guess is not None])
    sigmas = np.array(
        [_FOCAL_SIGMAS.get(guess.focal_source, _GUESSED_FOCAL_SIGMA) for guess in guesses if guess is not None]
    )
    return LensBundle(
        poses=np.array([image.cam_from_world for image in scene.images]),
        points_world=scene.points_world,
        observation_image=scene.observation_image.astype(np.int64),
        observation_point=scene.observation_point.astype(np.int64),
        observation_px=scene.observation_px.astype(np.float64),
        focal_of=sharing.focal_of,
        centre_of=sharing.centre_of,
        distortion_of=sharing.distortion_of,
        focals_px=_medians(values[:, 0], sharing.focal_of),
        centres_px=_medians(values[:, 1:3], sharing.centre_of),
        distortions=_medians(values[:, 3:], sharing.distortion_of),
        known_focals_px=_medians(known, sharing.focal_of),
        focal_sigmas=_medians(sigmas, sharing.focal_of),
        known_centres_px=_medians(sizes / 2, sharing.centre_of),
        centre_sigmas_px=_medians(_CENTRE_SIGMA * sizes.max(axis=1), sharing.centre_of),
        distortion_sigmas=np.tile(_DISTORTION_SIGMAS, (int(sharing.distortion_of.max()) + 1, 1)),
    )


def _intrinsics(bundle: LensBundle) -> tuple[Intrinsics, ...]:
    """Photographs that share all of them share a lens's number; the numbers of cropped ones differ by focal length."""
    own_centre = np.bincount(bundle.centre_of)[bundle.centre_of] == 1
    shared = np.bincount(bundle.focal_of)[bundle.focal_of] > 1
    result = []
    for image, (focal, centre, distortion) in enumerate(
        zip(bundle.focal_of, bundle.centre_of, bundle.distortion_of, strict=True)
    ):
        x, y = bundle.centres_px[centre].tolist()
        k1, k2 = bundle.distortions[distortion].tolist()
        cropped = bool(own_centre[image] and shared[image])
        result.append(Intrinsics(int(focal), float(bundle.focals_px[focal]), (x, y), (k1, k2), cropped))
    return tuple(result)


def _radial(camera: Camera) -> tuple[float, float, float, float, float]:
    """Focal length, principal point, k1 and k2 of any of the models used here; the rest is left out."""
    if camera.model == "SIMPLE_RADIAL":
        f, cx, cy, k1 = camera.params
        return f, cx, cy, k1, 0.0
    if camera.model == "RADIAL":
        f, cx, cy, k1, k2 = camera.params
        return f, cx, cy, k1, k2
    fx, fy, cx, cy = camera.params[:4]
    k1, k2 = camera.params[4:6] if camera.model == "OPENCV" else (0.0, 0.0)
    return (fx + fy) / 2, cx, cy, k1, k2


def _medians(values: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.array([np.median(values[group == one], axis=0) for one in range(int(group.max()) + 1)])


def numbers(keys: Sequence[object]) -> NDArray[np.int64]:
    """The keys as numbers from 0, in the order in which they come first."""
    number: dict[object, int] = {}
    return np.array([number.setdefault(key, len(number)) for key in keys], np.int64)


def sampled(scene: Scene, observations_an_image: int = _OBSERVATIONS_AN_IMAGE) -> Scene:
    """The scene with evenly chosen points, as many as leave so many observations a photograph on average."""
    step = max(1, round(len(scene.observation_px) / (observations_an_image * len(scene.images))))
    kept = np.arange(len(scene.points_world)) % step == 0
    seen = kept[scene.observation_point]
    number = np.cumsum(kept) - 1
    return replace(
        scene,
        points_world=scene.points_world[kept],
        colors=scene.colors[kept],
        errors_px=scene.errors_px[kept],
        observation_image=scene.observation_image[seen],
        observation_point=number[scene.observation_point[seen]].astype(np.int32),
        observation_px=scene.observation_px[seen],
    )
