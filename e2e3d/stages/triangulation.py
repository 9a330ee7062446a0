"""Sparse points of a set whose cameras and poses are known: it takes the place of mapping.

As COLMAP's point_triangulator: tracks of verified matches are triangulated, completed, merged and filtered with the
cameras as they are; only the points are adjusted. Schönberger and Frahm, "Structure-from-Motion Revisited", CVPR 2016.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pycolmap

from e2e3d.config.mapping import MappingConfig, mapping_cost
from e2e3d.config.workload import Workload
from e2e3d.data.given_poses import GivenPose
from e2e3d.data.photo import Photo
from e2e3d.data.scene import Camera, Georeference, Mapping, Remark
from e2e3d.errors import ReconstructionError
from e2e3d.ops.colmap_log import silence_colmap
from e2e3d.ops.matching.match_blocks import matches_of
from e2e3d.ops.sfm import incremental_mapping as sfm
from e2e3d.ops.sfm import left_out, photo_agreement
from e2e3d.ops.sfm.colmap_model import reconstruction_to_scene
from e2e3d.stages.mapping import MappingInputs, MovingMatches, matches_that_move
from e2e3d.stages.matching import most_keypoints
from e2e3d.stages.stage import RunContext, Stage, StoredInputs

_CONTRADICTED = 0.1  # of the matches that meet in a point: poses in other axes, or of another scene, reach 0.03
_DOUBTFUL = 0.5  # exact poses reach 0.7 to 1
_TRACK_ERROR_PX = 4.0  # COLMAP's own, of keypoints that join a point


@dataclass(frozen=True)
class TriangulationInputs:
    """The set, and its poses.

    Attributes:
        matched: the photographs with their features and matches.
        poses: of each photograph, with its camera in the size of the photograph.
        frame, georeference: of the poses.
        unused: how many poses belong to no photograph.
    """

    matched: MappingInputs
    poses: tuple[GivenPose, ...]
    frame: str = "arbitrary"
    georeference: Georeference | None = None
    unused: int = 0


def run(inputs: TriangulationInputs, config: MappingConfig, context: RunContext) -> Mapping:
    """All points that the matches and the given cameras agree on.

    Raises:
        ReconstructionError: ``poses-contradict`` when hardly a match fits the poses; ``no-features``, ``no-overlap`` or
            ``stands-still`` without matches.
    """
    silence_colmap()
    matched = matches_that_move(inputs.matched, config)
    photos = _grouped(inputs)
    model = _posed_model(inputs, photos, matched)
    database, _ = sfm.build_database(photos, matched.keypoints_px, matched.blocks)
    _triangulate(model, database, config.max_error_px)
    share = _fitting_share(model, matched)
    if np.isnan(share):
        raise left_out.explain_failure([len(keypoints) for keypoints in matched.keypoints_px], (), matched.still)
    if share < _CONTRADICTED:
        raise ReconstructionError(
            "poses-contradict",
            f"The poses contradict the photographs: {100 * share:.0f} % of the matches meet in a point.",
            "COLMAP's poses are cam_from_world with y down and z forward, transforms.json's world_from_cam with y up "
            "and z back. Check axes, names and calibration; poses that are only inexact need a larger "
            "mapping.max_error_px. Without poses, the photographs tell them.",
        )
    sfm.paint_points(model, matched.colors)
    scene = reconstruction_to_scene(model)
    exact = {pose_of.name: pose.cam_from_world for pose_of, pose in zip(photos, inputs.poses, strict=True)}
    images = tuple(replace(image, cam_from_world=exact[image.name]) for image in scene.images)
    scene = replace(scene, images=images, frame=inputs.frame, georeference=inputs.georeference)
    agreement = photo_agreement.judge_photos(model, photos, matched.keypoints_px, matched.blocks)
    scene = replace(scene, remarks=(_remark(share, len(photos), inputs.unused),))
    return Mapping(scene, (), (len(photos),), agreement=agreement, still=matched.still)


def _grouped(inputs: TriangulationInputs) -> tuple[Photo, ...]:
    """The photographs, in one group where their given cameras are the same."""
    photos = []
    for photo, pose in zip(inputs.matched.photos, inputs.poses, strict=True):
        assert photo.camera is not None  # every usable photograph has a guess
        photos.append(replace(photo, camera=replace(photo.camera, group=repr(_lens(pose)))))
    return tuple(photos)


def _lens(pose: GivenPose) -> Camera:
    assert pose.camera is not None  # poses without one were refused
    return replace(pose.camera, camera_id=1)


def _posed_model(
    inputs: TriangulationInputs, photos: tuple[Photo, ...], matched: MovingMatches
) -> pycolmap.Reconstruction:
    """Cameras and poses without points, with the ids that the database of the photographs has."""
    model = pycolmap.Reconstruction()
    ids = sfm.camera_ids(photos)
    for index, (photo, pose) in enumerate(zip(photos, inputs.poses, strict=True)):
        assert photo.camera is not None
        camera_id, lens = ids[photo.camera.group], _lens(pose)
        if camera_id not in model.cameras:
            camera = pycolmap.Camera(
                camera_id=camera_id, model=lens.model, width=lens.width_px, height=lens.height_px, params=lens.params
            )
            camera.has_prior_focal_length = True
            model.add_camera_with_trivial_rig(camera)
        keypoints = matched.keypoints_px[index].astype(np.float64)
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
    options.ceres.solver_options.num_threads = 1  # see ops.sfm: more would not be deterministic
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in sorted(model.reg_image_ids()):
        config.add_image(image_id)
    pycolmap.create_default_ceres_bundle_adjuster(options, config, model).solve()


def _fitting_share(model: pycolmap.Reconstruction, matched: MovingMatches) -> float:
    """The share of the verified matches whose two keypoints observe the same point; NaN without matches."""
    views = photo_agreement.ModelViews(model, [len(keypoints) for keypoints in matched.keypoints_px]).views
    total = fitting = 0
    for block in matched.blocks:
        for p, (first, second) in enumerate(block.pairs.tolist()):
            matches = matches_of(block, p).astype(np.int64)
            one = views[first].point_of_keypoint[matches[:, 0]]
            other = views[second].point_of_keypoint[matches[:, 1]]
            total += len(matches)
            fitting += int(((one == other) & (one >= 0)).sum())
    return fitting / total if total else float("nan")


def _remark(share: float, photographs: int, unused: int) -> Remark:
    message = (
        f"Cameras and poses of the {photographs} photographs are those that were given, unchanged; "
        f"{100 * share:.0f} % of the matches fit them."
    )
    if share < _DOUBTFUL:
        message += " That is little: they are not as exact as the photographs. Compare with a run without them."
    if unused:
        message += f" {unused} more of the given poses belong to no photograph."
    return Remark("poses-given", message)


def _workload(inputs: TriangulationInputs, stored: StoredInputs) -> Workload:
    return Workload(photos=len(inputs.poses), keypoints=most_keypoints(inputs.matched.features, stored))


STAGE = Stage(
    name="triangulation",
    version=1,
    config=MappingConfig,
    output=Mapping,
    run=run,
    workload=_workload,
    cost=mapping_cost,
)
