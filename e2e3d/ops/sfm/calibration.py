"""Final bundle adjustment, with as rich a lens model as the photographs determine.

The mapper starts every self-calibrated camera as SIMPLE_RADIAL with its principal point in the middle. Here further
parameters are set free one group after another, and a group stays free only where it lowers the robust reprojection
cost noticeably. Noise alone lowers it by about one part in the number of observations, far below the limit used, so
few photographs don't overfit; cameras seen in few photographs are not offered the group at all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pycolmap

MIN_GAIN = 0.005
_MAX_PRINCIPAL_SHIFT = 0.1
_MAX_CROPPED_SHIFT = 0.75  # a quarter of a picture; where it lowers the cost as only a cropped picture makes possible
_CROPPED_GAIN = 0.1  # whole pictures gain less by a centre that far away
_MAX_TANGENTIAL = 0.01  # more is a shifted principal point
_MAX_FOCAL_CHANGE = 0.15
_MAX_ASPECT = 0.02  # pixels are square to a tenth of that
_LENS_LIMITS = (0.1, 10.0, 1.0)  # focal length over the longer side: least and most; largest distortion coefficient


@dataclass(frozen=True)
class _Step:
    """One group of parameters: the model it needs, and how many photographs and observations a camera must have."""

    model: str | None
    principal_point: bool
    min_images: int
    min_observations: int


_STEPS = (
    _Step(None, True, 5, 2500),
    _Step("RADIAL", False, 3, 1500),
    _Step("OPENCV", False, 8, 8000),
)
_MODELS = ("SIMPLE_RADIAL", "RADIAL", "OPENCV")  # from poor to rich


def refine_calibration(
    reconstruction: pycolmap.Reconstruction, fixed_cameras: frozenset[int]
) -> tuple[pycolmap.Reconstruction, frozenset[int]]:
    """Adjust the bundle, and enrich the lens models as far as that pays.

    Args:
        reconstruction: the mapper's; not to be used afterwards.
        fixed_cameras: cameras whose intrinsics the user gave.

    Returns:
        The adjusted reconstruction, and the cameras whose principal point was set free.
    """
    free: frozenset[int] = frozenset()
    stiff = pycolmap.Reconstruction(reconstruction)
    cost = adjust_bundle(reconstruction, fixed_cameras, free)
    if not plausible_lenses(reconstruction):  # too few photographs to free anything
        adjust_bundle(stiff, frozenset(stiff.cameras), free)
        return stiff, free
    for step in _STEPS:
        offered = _supported_cameras(reconstruction, step) - fixed_cameras
        if not offered:
            continue
        candidate = pycolmap.Reconstruction(reconstruction)
        for camera_id in offered:
            _generalise(candidate.camera(camera_id), step.model)
        candidate_free = free | offered if step.principal_point else free
        candidate_cost = adjust_bundle(candidate, fixed_cameras, candidate_free)
        shift = _MAX_CROPPED_SHIFT if candidate_cost < (1 - _CROPPED_GAIN) * cost else _MAX_PRINCIPAL_SHIFT
        if candidate_cost < (1 - MIN_GAIN) * cost and _plausible(reconstruction, candidate, shift):
            reconstruction, cost, free = candidate, candidate_cost, candidate_free
    return reconstruction, free


def plausible_lenses(reconstruction: pycolmap.Reconstruction) -> bool:
    """Whether every camera that took a registered photograph could exist; a few weak pairs can bend it beyond that."""
    used = {reconstruction.image(image_id).camera_id for image_id in reconstruction.reg_image_ids()}
    return all(_is_physical(reconstruction.camera(camera_id)) for camera_id in used)


def _is_physical(camera: pycolmap.Camera) -> bool:
    """COLMAP's own check, but that the principal point of a cropped picture may lie outside of it."""
    least, most, most_extra = _LENS_LIMITS
    longer = max(camera.width, camera.height)
    focals = camera.params[camera.focal_length_idxs()] / longer
    extra = np.abs(camera.params[camera.extra_params_idxs()])
    shift = np.hypot(camera.principal_point_x - camera.width / 2, camera.principal_point_y - camera.height / 2)
    inside = bool((focals >= least).all() and (focals <= most).all() and (extra <= most_extra).all())
    return inside and bool(shift <= _MAX_CROPPED_SHIFT * longer)


def _supported_cameras(reconstruction: pycolmap.Reconstruction, step: _Step) -> frozenset[int]:
    images, observations = Counter[int](), Counter[int]()
    for image_id in reconstruction.reg_image_ids():
        image = reconstruction.image(image_id)
        images[image.camera_id] += 1
        observations[image.camera_id] += image.num_points3D
    return frozenset(
        camera_id
        for camera_id, count in images.items()
        if count >= step.min_images and observations[camera_id] >= step.min_observations
    )


def _generalise(camera: pycolmap.Camera, model: str | None) -> None:
    """Change to a richer model that means the same projection; a model as rich already stays."""
    old = camera.model_name
    if model is None or old not in _MODELS or _MODELS.index(model) <= _MODELS.index(old):
        return
    params = list(camera.params)
    focal = params[:2] if old == "OPENCV" else [params[0], params[0]]
    centre = list(camera.params[camera.principal_point_idxs()])
    radial = [params[3], params[4] if old == "RADIAL" else 0.0]
    camera.model = getattr(pycolmap.CameraModelId, model)
    camera.params = [focal[0], *centre, *radial] if model == "RADIAL" else [*focal, *centre, *radial, 0.0, 0.0]


def _plausible(before: pycolmap.Reconstruction, after: pycolmap.Reconstruction, max_shift: float) -> bool:
    """Whether no camera went where only a degenerate geometry, or too little of it, would send it.

    `max_shift` is that of the principal point, over the longer side.
    """
    if not plausible_lenses(after):
        return False
    for camera_id, camera in after.cameras.items():
        old = before.camera(camera_id)
        shift = np.hypot(
            camera.principal_point_x - old.principal_point_x, camera.principal_point_y - old.principal_point_y
        )
        if shift > max_shift * max(camera.width, camera.height):
            return False
        if abs(camera.mean_focal_length() / old.mean_focal_length() - 1) > _MAX_FOCAL_CHANGE:
            return False
        focals_px = camera.params[camera.focal_length_idxs()]
        if max(focals_px) > (1 + _MAX_ASPECT) * min(focals_px):
            return False
        if camera.model_name == "OPENCV" and np.abs(camera.params[6:8]).max() > _MAX_TANGENTIAL:
            return False
    return True


def adjust_bundle(
    reconstruction: pycolmap.Reconstruction,
    fixed_cameras: frozenset[int],
    free_principal_points: frozenset[int],
) -> float:
    """Minimise the robust (soft L1) reprojection error in place, and return the final cost.

    Args:
        reconstruction: changed in place; the gauge is held.
        fixed_cameras: cameras whose intrinsics stay.
        free_principal_points: when not empty, the principal points of these cameras move too, and the intrinsics of all
            others stay.
    """
    options = pycolmap.BundleAdjustmentOptions(print_summary=False, refine_principal_point=bool(free_principal_points))
    options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
    options.ceres.solver_options.num_threads = 1  # see ops.sfm: more would not be deterministic
    options.ceres.solver_options.max_num_iterations = 50
    options.ceres.solver_options.function_tolerance = 1e-6
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in sorted(reconstruction.reg_image_ids()):
        config.add_image(image_id)
    held = set(reconstruction.cameras) - free_principal_points if free_principal_points else fixed_cameras
    for camera_id in held & set(reconstruction.cameras):
        config.set_constant_cam_intrinsics(camera_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    summary = pycolmap.create_default_ceres_bundle_adjuster(options, config, reconstruction).solve()
    return float(summary.ceres_summary.final_cost)


def polish(
    reconstruction: pycolmap.Reconstruction,
    database: pycolmap.Database,
    fixed_cameras: frozenset[int],
    max_error_px: float,
) -> pycolmap.Reconstruction:
    """Refine the calibration, triangulate what the better cameras explain, drop what they don't, and adjust once more.

    Lenses that cannot exist come out of neither adjustment: where the last one bends one, the mapper's stay instead.

    Args:
        reconstruction: the mapper's; not to be used afterwards.
        database: with all matches of the keypoints that it was made from, or of more of them.
        fixed_cameras: cameras whose intrinsics the user gave.
        max_error_px: largest reprojection error of an observation that stays.
    """
    stiff = pycolmap.Reconstruction(reconstruction)
    refined, free = refine_calibration(reconstruction, fixed_cameras)
    polished = _with_all_points(refined, database, fixed_cameras, free, max_error_px)
    if plausible_lenses(polished):
        return polished
    held = frozenset(stiff.cameras)
    adjust_bundle(stiff, held, frozenset())
    return _with_all_points(stiff, database, held, frozenset(), max_error_px)


def _with_all_points(
    reconstruction: pycolmap.Reconstruction,
    database: pycolmap.Database,
    fixed_cameras: frozenset[int],
    free_principal_points: frozenset[int],
    max_error_px: float,
) -> pycolmap.Reconstruction:
    """Triangulate all points that the cameras explain, drop the others, and adjust everything."""
    for camera in reconstruction.cameras.values():
        database.update_camera(camera)  # the mapper refuses a database whose camera models differ
    cache = pycolmap.DatabaseCache.create(database, pycolmap.DatabaseCacheOptions())
    mapper = pycolmap.IncrementalMapper(cache)
    mapper.begin_reconstruction(reconstruction)
    options = pycolmap.IncrementalTriangulatorOptions(random_seed=0)
    for image_id in sorted(reconstruction.reg_image_ids()):
        mapper.triangulate_image(options, image_id)
    mapper.retriangulate(options)
    mapper.complete_and_merge_tracks(options)
    filtering = pycolmap.IncrementalMapperOptions(filter_max_reproj_error=max_error_px)
    mapper.filter_points(filtering)
    adjust_bundle(reconstruction, fixed_cameras, free_principal_points)
    mapper.filter_points(filtering)
    mapper.end_reconstruction(False)
    reconstruction.update_point_3d_errors()
    return reconstruction
