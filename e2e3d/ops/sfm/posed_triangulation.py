"""Sparse points of photographs whose cameras and poses are known, and how well the matches fit those.

As COLMAP's point_triangulator: tracks of verified matches are triangulated, completed, merged and filtered with the
cameras as they are; only the points are adjusted. Schönberger and Frahm, "Structure-from-Motion Revisited", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pycolmap
from numpy.typing import NDArray

from e2e3d.data.features import MatchBlock
from e2e3d.data.given_poses import GivenPose
from e2e3d.data.photo import Photo
from e2e3d.data.scene import Camera
from e2e3d.ops.matching.match_blocks import matches_of
from e2e3d.ops.sfm import incremental_mapping as sfm
from e2e3d.ops.sfm.photo_agreement import ModelViews

_TRACK_ERROR_PX = 4.0  # COLMAP's own, of keypoints that join a point


def share_cameras(photos: Sequence[Photo], poses: Sequence[GivenPose]) -> tuple[Photo, ...]:
    """The photographs, in one group where their given cameras are the same."""
    grouped = []
    for photo, pose in zip(photos, poses, strict=True):
        assert photo.camera is not None  # every usable photograph has a guess
        grouped.append(replace(photo, camera=replace(photo.camera, group=repr(_lens(pose)))))
    return tuple(grouped)


def triangulate_posed(
    photos: Sequence[Photo],
    poses: Sequence[GivenPose],
    keypoints_px: Sequence[NDArray[np.float32]],
    blocks: Iterable[MatchBlock],
    max_error_px: float,
) -> pycolmap.Reconstruction:
    """A model with the given cameras and poses, and all points that the matches and they agree on.

    Args:
        photos: as :func:`share_cameras` groups them.
        poses: of each photograph, with its camera in the size of the photograph.
        keypoints_px: float32 [N, 2] of each photograph.
        blocks: verified matches.
        max_error_px: reprojection error above which an observation is dropped.
    """
    model = _posed_model(photos, poses, keypoints_px)
    database, _ = sfm.build_database(photos, keypoints_px, blocks)
    _triangulate(model, database, max_error_px)
    return model


def fitting_share(
    model: pycolmap.Reconstruction, keypoints_px: Sequence[NDArray[np.float32]], blocks: Iterable[MatchBlock]
) -> float:
    """The share of the verified matches whose two keypoints observe the same point; NaN without matches."""
    views = ModelViews(model, [len(keypoints) for keypoints in keypoints_px]).views
    total = fitting = 0
    for block in blocks:
        for p, (first, second) in enumerate(block.pairs.tolist()):
            matches = matches_of(block, p).astype(np.int64)
            one = views[first].point_of_keypoint[matches[:, 0]]
            other = views[second].point_of_keypoint[matches[:, 1]]
            total += len(matches)
            fitting += int(((one == other) & (one >= 0)).sum())
    return fitting / total if total else float("nan")


def _lens(pose: GivenPose) -> Camera:
    assert pose.camera is not None  # poses without one were refused
    return replace(pose.camera, camera_id=1)


def _posed_model(
    photos: Sequence[Photo], poses: Sequence[GivenPose], keypoints_px: Sequence[NDArray[np.float32]]
) -> pycolmap.Reconstruction:
    """Cameras and poses without points, with the ids that the database of the photographs has."""
    model = pycolmap.Reconstruction()
    ids = sfm.camera_ids(photos)
    for index, (photo, pose) in enumerate(zip(photos, poses, strict=True)):
        assert photo.camera is not None
        camera_id, lens = ids[photo.camera.group], _lens(pose)
        if camera_id not in model.cameras:
            camera = pycolmap.Camera(
                camera_id=camera_id, model=lens.model, width=lens.width_px, height=lens.height_px, params=lens.params
            )
            camera.has_prior_focal_length = True
            model.add_camera_with_trivial_rig(camera)
        keypoints = keypoints_px[index].astype(np.float64)
        image = pycolmap.Image(name=photo.name, keypoints=keypoints, camera_id=camera_id, image_id=index + 1)
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(pose.cam_from_world))
    return model


def _triangulate(model: pycolmap.Reconstruction, database: pycolmap.Database, max_error_px: float) -> None:
    """Points of all tracks that the cameras explain, adjusted; `model` is changed in place."""
    for camera in model.cameras.values():
        database.update_camera(camera)
    every = pycolmap.DatabaseCacheOptions(load_all_images=True)  # also those without a match
    mapper = pycolmap.IncrementalMapper(pycolmap.DatabaseCache.create(database, every))
    mapper.begin_reconstruction(model)
    options = pycolmap.IncrementalTriangulatorOptions(random_seed=sfm.SEED)
    options.complete_max_reproj_error = options.merge_max_reproj_error = max(_TRACK_ERROR_PX, max_error_px)
    for image_id in sorted(model.reg_image_ids()):
        mapper.triangulate_image(options, image_id)
    mapper.complete_and_merge_tracks(options)
    filtering = pycolmap.IncrementalMapperOptions(filter_max_reproj_error=max_error_px)
    mapper.filter_points(filtering)
    _adjust_points(model)
    mapper.filter_points(filtering)
    mapper.end_reconstruction(False)
    model.update_point_3d_errors()


def _adjust_points(model: pycolmap.Reconstruction) -> None:
    """Minimise the robust reprojection error over the points alone."""
    if model.num_points3D() == 0:
        return
    options = pycolmap.BundleAdjustmentOptions(
        print_summary=False,
        refine_focal_length=False,
        refine_extra_params=False,
        refine_principal_point=False,
        refine_rig_from_world=False,
        refine_sensor_from_rig=False,
    )
    options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
    options.ceres.solver_options.num_threads = 1  # more would not be deterministic
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in sorted(model.reg_image_ids()):
        config.add_image(image_id)
    pycolmap.create_default_ceres_bundle_adjuster(options, config, model).solve()
