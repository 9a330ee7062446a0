"""GPS positions in the bundle adjustment, each weighted by how well it is known.

They correct the bending of long blocks and fix what the photographs leave weak. A focal length that they would change
by more than a little is held instead. Outliers and rejected heights are left out. Where the adjustment makes the
reprojection errors worse than before, the positions contradict the photographs, and it is not used.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pycolmap

from e2e3d.data.photo import Photo
from e2e3d.data.scene import Scene
from e2e3d.ops.geo.scene_frame import fit_scene_to_earth
from e2e3d.ops.sfm.calibration import plausible_lenses

_MIN_POSITIONS = 4
_LEAST_STATED_M, _LEAST_ESTIMATED_M = 0.01, 0.1
_CORRELATED = 2.0  # errors of one receiver resemble each other over a flight: what is estimated counts for less
_UNKNOWN_M = 1e4
_MAX_WORSE = 1.02
_MAX_FOCAL_CHANGE = 0.03


def adjust_to_positions(
    model: pycolmap.Reconstruction, scene: Scene, photos: Sequence[Photo], fixed_cameras: frozenset[int]
) -> pycolmap.Reconstruction:
    """Adjust cameras, points and intrinsics to matches and GPS positions together.

    Args:
        model: image ids are indices of `photos` plus one; only its points' errors are brought up to date.
        scene: of the same model.
        photos: the usable photographs.
        fixed_cameras: cameras whose intrinsics the user gave.

    Returns:
        The adjusted model, in metres; or `model` itself where the positions are too few, not certain, or make it worse.
    """
    fit, located, _ = fit_scene_to_earth(scene, photos)
    if fit.similarity is None or fit.georeference is None or fit.positions is None:
        return model
    reference, positions = fit.georeference, fit.positions
    if positions.places_agree.sum() < _MIN_POSITIONS:
        return model
    priors = []
    for row in np.flatnonzero(positions.places_agree):
        image = scene.images[located[row]]
        gps = photos[image.photo_index].gps
        assert gps is not None
        place_m = _deviation_m(gps.horizontal_accuracy_m, (reference.horizontal_error_m or 0.0) / np.sqrt(2))
        height_m = _deviation_m(gps.vertical_accuracy_m, reference.vertical_error_m or 0.0)
        if not (positions.heights_agree[row] and reference.heights_known):
            height_m = _UNKNOWN_M
        priors.append(
            pycolmap.PosePrior(
                corr_data_id=model.image(image.photo_index + 1).data_id,
                position=positions.local_m[row],
                position_covariance=np.diag(np.square([place_m, place_m, height_m])),
                coordinate_system=pycolmap.PosePriorCoordinateSystem.CARTESIAN,
            )
        )
    turn = pycolmap.Rotation3d(fit.similarity.rotation)
    to_local = pycolmap.Sim3d(fit.similarity.scale, turn, fit.similarity.translation)
    adjusted = _adjusted(model, to_local, priors, fixed_cameras)
    if _focal_change(model, adjusted) > _MAX_FOCAL_CHANGE:  # such as a strip, which leaves the focal length open
        adjusted = _adjusted(model, to_local, priors, frozenset(model.cameras))
    for one in (model, adjusted):
        one.update_point_3d_errors()
    before, after = model.compute_mean_reprojection_error(), adjusted.compute_mean_reprojection_error()
    return adjusted if after <= _MAX_WORSE * before and plausible_lenses(adjusted) else model


def _deviation_m(stated_m: float | None, estimated_m: float) -> float:
    if stated_m is not None:
        return max(stated_m, _LEAST_STATED_M)
    return max(_CORRELATED * estimated_m, _LEAST_ESTIMATED_M)


def _focal_change(before: pycolmap.Reconstruction, after: pycolmap.Reconstruction) -> float:
    """The largest relative change of a focal length."""
    changes = [
        float(abs(after.camera(camera_id).mean_focal_length() / camera.mean_focal_length() - 1))
        for camera_id, camera in before.cameras.items()
    ]
    return max(changes)


def _adjusted(
    model: pycolmap.Reconstruction,
    to_local: pycolmap.Sim3d,
    priors: Sequence[pycolmap.PosePrior],
    fixed_cameras: frozenset[int],
) -> pycolmap.Reconstruction:
    adjusted = pycolmap.Reconstruction(model)
    adjusted.transform(to_local)
    _solve(adjusted, priors, fixed_cameras)
    return adjusted


def _solve(model: pycolmap.Reconstruction, priors: Sequence[pycolmap.PosePrior], fixed_cameras: frozenset[int]) -> None:
    options = pycolmap.BundleAdjustmentOptions(print_summary=False, refine_principal_point=False)
    options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
    options.ceres.solver_options.num_threads = 1  # see ops.sfm: more would not be deterministic
    options.ceres.solver_options.max_num_iterations = 50
    prior_options = pycolmap.PosePriorBundleAdjustmentOptions()
    prior_options.alignment_ransac.random_seed = 0
    prior_options.ceres.prior_position_loss_function_type = pycolmap.LossFunctionType.CAUCHY
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in sorted(model.reg_image_ids()):
        config.add_image(image_id)
    for camera_id in fixed_cameras & set(model.cameras):
        config.set_constant_cam_intrinsics(camera_id)
    pycolmap.create_pose_prior_bundle_adjuster(options, prior_options, config, list(priors), model).solve()
