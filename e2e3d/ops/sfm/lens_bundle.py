"""Bundle adjustment in which photographs share parts of their intrinsics, and every part has a prior.

COLMAP's adjustment shares all intrinsics of two photographs or none, and has no prior. Photographs that were cropped
from one camera's share the focal length and the distortion, but not the principal point; a strip of photographs that
look straight down does not determine the focal length, and must keep the known one. So the parts are indexed one by one
here (:class:`LensBundle`). Levenberg-Marquardt with the points eliminated by their Schur complement (Triggs et al.,
"Bundle Adjustment - A Modern Synthesis", 2000); soft L1 loss; arrays only, one thread, no random choice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]

MAX_IMAGES = 400
"""Of one adjustment: the matrix of all cameras is dense."""
_ITERATIONS = 50
_CONVERGED = 1e-6
_STRAIGHT = 1e-3  # of what a distortion may be
_NOISE_PX = 0.5  # of an observation; what weighs the priors
_COLUMNS = 11  # of an observation: rotation 3, translation 3, log focal length, centre 2, distortion 2


@dataclass(frozen=True)
class LensBundle:
    """Photographs, points and observations, and which parts of the intrinsics they share.

    Radial distortion is COLMAP's ``RADIAL``: x/z and y/z are multiplied by 1 + k1 r^2 + k2 r^4.

    Attributes:
        poses: float64 [N, 3, 4], cam_from_world.
        points_world: float64 [M, 3].
        observation_image: int64 [O], into `poses`; `observation_point` int64 [O], into `points_world`.
        observation_px: float64 [O, 2].
        focal_of: int64 [N], into `focals_px`; `centre_of` into `centres_px`; `distortion_of` into `distortions`.
        focals_px: float64 [F].
        centres_px: float64 [C, 2].
        distortions: float64 [D, 2], k1 and k2.
        known_focals_px: float64 [F], what the focal lengths were thought to be, `focal_sigmas` [F] relative to them.
        known_centres_px: float64 [C, 2]; `centre_sigmas_px` [C].
        distortion_sigmas: float64 [D, 2], around zero.
    """

    poses: _Floats
    points_world: _Floats
    observation_image: _Ints
    observation_point: _Ints
    observation_px: _Floats
    focal_of: _Ints
    centre_of: _Ints
    distortion_of: _Ints
    focals_px: _Floats
    centres_px: _Floats
    distortions: _Floats
    known_focals_px: _Floats
    focal_sigmas: _Floats
    known_centres_px: _Floats
    centre_sigmas_px: _Floats
    distortion_sigmas: _Floats


@dataclass(frozen=True)
class Adjusted:
    """`cost` is the robust cost of the observations alone, in squared pixels; `focal_sigmas` relative, float64 [F]."""

    bundle: LensBundle
    cost: float
    focal_sigmas: _Floats


def adjust(bundle: LensBundle, tolerance: float = _CONVERGED) -> Adjusted:
    """Minimise the robust reprojection error and the deviations from what is known.

    Args:
        bundle: where to start from; at most :data:`MAX_IMAGES` photographs.
        tolerance: relative fall of the cost in one step that ends the search.
    """
    assert len(bundle.poses) <= MAX_IMAGES
    with threadpool_limits(1, "blas"):  # the order of its sums depends on how many there are
        return _adjusted(bundle, tolerance)


def adjust_straight_first(bundle: LensBundle, tolerance: float = _CONVERGED) -> Adjusted:
    """Like :func:`adjust`, but with lenses without distortion at first.

    Half of a picture looks much like a whole one through a bent lens. From that wrong lens, a valley of its own, the
    adjustment does not find the way to a principal point at the border.
    """
    straight = replace(
        bundle,
        distortions=np.zeros_like(bundle.distortions),
        distortion_sigmas=_STRAIGHT * bundle.distortion_sigmas,
    )
    found = adjust(straight, tolerance).bundle
    return adjust(replace(found, distortion_sigmas=bundle.distortion_sigmas), tolerance)


def _adjusted(bundle: LensBundle, tolerance: float) -> Adjusted:
    damping = 1e-4
    cost, residuals = _total_cost(bundle)
    system = _normal_equations(bundle, residuals)
    for _ in range(_ITERATIONS):
        candidate = _moved(bundle, *_solve(system, damping))
        candidate_cost, candidate_residuals = _total_cost(candidate)
        if not candidate_cost < cost:
            damping *= 8
            if damping > 1e8:
                break
            continue
        gain = (cost - candidate_cost) / cost
        bundle, cost, residuals = candidate, candidate_cost, candidate_residuals
        damping = max(damping / 5, 1e-10)
        if gain < tolerance:
            break
        system = _normal_equations(bundle, residuals)
    return Adjusted(bundle, observation_cost(residuals), _focal_sigmas(bundle, residuals))


def residuals_px(bundle: LensBundle) -> _Floats:
    """Projection minus observation, float64 [O, 2]; far away for points behind their camera."""
    camera, plane, _ = _rays(bundle)
    focal, centre, k = _intrinsics(bundle)
    r2 = (plane**2).sum(axis=1)
    factor = focal * (1 + k[:, 0] * r2 + k[:, 1] * r2**2)
    residuals: _Floats = plane * factor[:, None] + centre - bundle.observation_px
    residuals[camera[:, 2] <= 0] = 1e4
    return residuals


def observation_cost(residuals: _Floats) -> float:
    """Half the sum of soft L1 losses, as ceres counts it."""
    return float(np.sum(np.sqrt(1 + (residuals**2).sum(axis=1)) - 1))


def _rays(bundle: LensBundle) -> tuple[_Floats, _Floats, _Floats]:
    poses = bundle.poses[bundle.observation_image]
    rotated = np.einsum("oij,oj->oi", poses[:, :, :3], bundle.points_world[bundle.observation_point])
    camera = rotated + poses[:, :, 3]
    z = np.where(np.abs(camera[:, 2:]) > 1e-12, camera[:, 2:], 1e-12)
    return camera, camera[:, :2] / z, rotated


def _intrinsics(bundle: LensBundle) -> tuple[_Floats, _Floats, _Floats]:
    image = bundle.observation_image
    return (
        bundle.focals_px[bundle.focal_of][image],
        bundle.centres_px[bundle.centre_of][image],
        bundle.distortions[bundle.distortion_of][image],
    )


def _priors(bundle: LensBundle) -> tuple[_Floats, _Floats]:
    """Deviations of all intrinsics from what is known, and their weights in pixels."""
    deviations = np.concatenate(
        [
            np.log(bundle.focals_px / bundle.known_focals_px),
            (bundle.centres_px - bundle.known_centres_px).ravel(),
            bundle.distortions.ravel(),
        ]
    )
    sigmas = np.concatenate(
        [bundle.focal_sigmas, np.repeat(bundle.centre_sigmas_px, 2), bundle.distortion_sigmas.ravel()]
    )
    return deviations, (_NOISE_PX / sigmas) ** 2


def _total_cost(bundle: LensBundle) -> tuple[float, _Floats]:
    residuals = residuals_px(bundle)
    deviations, weights = _priors(bundle)
    return observation_cost(residuals) + 0.5 * float((weights * deviations**2).sum()), residuals


@dataclass(frozen=True)
class _System:
    """Normal equations, cameras first: U, g_cameras; V and g of each point; and W, sparse, between them."""

    U: _Floats
    g: _Floats
    V: _Floats  # [M, 3, 3]
    g_points: _Floats  # [M, 3]
    W_rows: _Ints  # [O, 11], columns of the cameras' parameters
    W: _Floats  # [O, 11, 3]
    point: _Ints  # [O]


def _normal_equations(bundle: LensBundle, residuals: _Floats) -> _System:
    J_camera, J_point, columns = _jacobians(bundle)
    weight = 1 / np.sqrt(1 + (residuals**2).sum(axis=1))
    point = bundle.observation_point
    size, points = _size(bundle), len(bundle.points_world)
    weighted = J_camera * weight[:, None, None]
    blocks = np.einsum("oia,oib->oab", weighted, J_camera)
    flat = (columns[:, :, None] * size + columns[:, None, :]).ravel()
    U = _sums(flat, blocks.ravel(), size * size).reshape(size, size)
    g = _sums(columns.ravel(), np.einsum("oia,oi->oa", weighted, residuals).ravel(), size)
    deviations, prior = _priors(bundle)
    start = 6 * len(bundle.poses)
    U[np.arange(start, size), np.arange(start, size)] += prior
    g[start:] += prior * deviations
    weighted_point = J_point * weight[:, None, None]
    V = _summed(point, np.einsum("oia,oib->oab", weighted_point, J_point), points)
    g_points = _summed(point, np.einsum("oia,oi->oa", weighted_point, residuals), points)
    return _System(U, g, V, g_points, columns, np.einsum("oia,oib->oab", weighted, J_point), point)


def _sums(index: _Ints, values: _Floats, count: int) -> _Floats:
    return np.asarray(np.bincount(index, values, count), np.float64)


def _summed(index: _Ints, values: _Floats, count: int) -> _Floats:
    flat = values.reshape(len(values), -1)
    sums = np.stack([_sums(index, column, count) for column in flat.T], axis=1)
    return sums.reshape(count, *values.shape[1:])


def _size(bundle: LensBundle) -> int:
    return 6 * len(bundle.poses) + len(bundle.focals_px) + 2 * len(bundle.centres_px) + 2 * len(bundle.distortions)


def _jacobians(bundle: LensBundle) -> tuple[_Floats, _Floats, _Ints]:
    """[O, 2, 11] by the cameras' parameters, [O, 2, 3] by the point, and the columns of the former, int64 [O, 11]."""
    camera, plane, rotated = _rays(bundle)
    focal, _, k = _intrinsics(bundle)
    r2 = (plane**2).sum(axis=1)
    factor = 1 + k[:, 0] * r2 + k[:, 1] * r2**2
    slope = 2 * (k[:, 0] + 2 * k[:, 1] * r2)
    by_plane = plane[:, :, None] * plane[:, None, :] * slope[:, None, None]
    by_plane[:, [0, 1], [0, 1]] += factor[:, None]
    by_plane *= focal[:, None, None]
    z = np.where(np.abs(camera[:, 2]) > 1e-12, camera[:, 2], 1e-12)
    by_camera = np.concatenate([by_plane, -np.einsum("oij,oj->oi", by_plane, plane)[:, :, None]], axis=2)
    by_camera /= z[:, None, None]
    J = np.zeros((len(plane), 2, _COLUMNS))
    J[:, :, :3] = np.cross(rotated[:, None, :], by_camera)
    J[:, :, 3:6] = by_camera
    J[:, :, 6] = plane * (focal * factor)[:, None]
    J[:, [0, 1], [7, 8]] = 1
    J[:, :, 9] = plane * (focal * r2)[:, None]
    J[:, :, 10] = plane * (focal * r2**2)[:, None]
    J_point = np.einsum("oij,ojk->oik", by_camera, bundle.poses[bundle.observation_image][:, :, :3])
    return J, J_point, _columns(bundle)


def _columns(bundle: LensBundle) -> _Ints:
    image = bundle.observation_image
    focals = 6 * len(bundle.poses)
    centres = focals + len(bundle.focals_px)
    distortions = centres + 2 * len(bundle.centres_px)
    starts = [
        *(6 * image + axis for axis in range(6)),
        focals + bundle.focal_of[image],
        *(centres + 2 * bundle.centre_of[image] + axis for axis in range(2)),
        *(distortions + 2 * bundle.distortion_of[image] + axis for axis in range(2)),
    ]
    return np.stack(starts, axis=1)


def _reduced(system: _System, damping: float) -> tuple[_Floats, _Floats, _Floats]:
    """The cameras' equations with the points eliminated; and the inverse of each point's damped block."""
    trace = np.trace(system.V, axis1=1, axis2=2)[:, None, None]
    V = system.V + damping * system.V * np.eye(3) + (1e-10 * trace + 1e-12) * np.eye(3)
    root = np.linalg.inv(np.linalg.cholesky(V)).swapaxes(1, 2)
    inverse = np.asarray(root @ root.swapaxes(1, 2), np.float64)
    size = len(system.g)
    rows = np.repeat(system.W_rows[:, :, None], 3, axis=2).ravel()
    columns = np.repeat(3 * system.point[:, None, None] + np.arange(3), _COLUMNS, axis=1).ravel()
    half = csr_array(
        (np.einsum("oab,obc->oac", system.W, root[system.point]).ravel(), (rows, columns)),
        shape=(size, 3 * len(system.V)),
    )
    S = system.U + damping * np.diag(np.diag(system.U)) - (half @ half.T).toarray()
    g = system.g - half @ np.einsum("mba,mb->ma", root, system.g_points).ravel()
    return S, g, inverse


def _solve(system: _System, damping: float) -> tuple[_Floats, _Floats]:
    S, g, inverse = _reduced(system, damping)
    scale = 1 / np.sqrt(np.maximum(np.diag(system.U), 1e-12))
    S = S * scale[:, None] * scale + 1e-12 * np.eye(len(g))
    try:
        step = -scale * cho_solve(cho_factor(S), scale * g)
    except np.linalg.LinAlgError:
        step = np.zeros(len(g))
    back = np.einsum("oab,oa->ob", system.W, step[system.W_rows])
    by_points = _summed(system.point, back, len(system.V))
    return step, -np.einsum("mab,mb->ma", inverse, system.g_points + by_points)


def _moved(bundle: LensBundle, step: _Floats, points_step: _Floats) -> LensBundle:
    count = len(bundle.poses)
    motion = step[: 6 * count].reshape(count, 6)
    poses = bundle.poses.copy()
    poses[:, :, :3] = _rotations(motion[:, :3]) @ poses[:, :, :3]
    poses[:, :, 3] += motion[:, 3:]
    ends = np.cumsum([6 * count, len(bundle.focals_px), 2 * len(bundle.centres_px)])
    _, focals, centres, distortions = np.split(step, ends)
    return replace(
        bundle,
        poses=poses,
        points_world=bundle.points_world + points_step,
        focals_px=bundle.focals_px * np.exp(np.clip(focals, -0.5, 0.5)),
        centres_px=bundle.centres_px + centres.reshape(-1, 2),
        distortions=bundle.distortions + distortions.reshape(-1, 2),
    )


def _rotations(vectors: _Floats) -> _Floats:
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_rotvec(vectors).as_matrix())


def _focal_sigmas(bundle: LensBundle, residuals: _Floats) -> _Floats:
    """Standard deviations of the logarithms of the focal lengths, from the observations and the priors."""
    S, _, _ = _reduced(_normal_equations(bundle, residuals), 0.0)
    scale = 1 / np.sqrt(np.maximum(np.diag(S), 1e-12))
    covariance = np.linalg.pinv(S * scale[:, None] * scale, rcond=1e-9, hermitian=True)
    start = 6 * len(bundle.poses)
    own = slice(start, start + len(bundle.focals_px))
    return np.asarray(_NOISE_PX * scale[own] * np.sqrt(np.maximum(np.diag(covariance)[own], 0)))
