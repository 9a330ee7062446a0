"""Sparse points of a set whose cameras and poses are known: it takes the place of mapping."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from e2e3d.config.mapping import MappingConfig, mapping_cost
from e2e3d.config.workload import Workload
from e2e3d.data.given_poses import GivenPose
from e2e3d.data.scene import Georeference, Mapping, Remark
from e2e3d.errors import ReconstructionError
from e2e3d.ops.colmap_log import silence_colmap
from e2e3d.ops.sfm import left_out, photo_agreement
from e2e3d.ops.sfm.colmap_model import reconstruction_to_scene
from e2e3d.ops.sfm.incremental_mapping import paint_points
from e2e3d.ops.sfm.posed_triangulation import fitting_share, share_cameras, triangulate_posed
from e2e3d.stages.mapping import MappingInputs, matches_that_move
from e2e3d.stages.matching import most_keypoints
from e2e3d.stages.stage import RunContext, Stage, StoredInputs

_CONTRADICTED = 0.1  # of the matches that meet in a point: poses in other axes, or of another scene, reach 0.03
_DOUBTFUL = 0.5  # exact poses reach 0.7 to 1


@dataclass(frozen=True)
class TriangulationInputs:
    """The set, and its poses.

    Attributes:
        matched: the photographs with their features and matches.
        poses: of each photograph, with its camera in the size of the photograph.
        frame, georeference: of the poses.
        unused: how many poses belong to no photograph that takes part.
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
    photos = share_cameras(inputs.matched.photos, inputs.poses)
    model = triangulate_posed(photos, inputs.poses, matched.keypoints_px, matched.blocks, config.max_error_px)
    share = fitting_share(model, matched.keypoints_px, matched.blocks)
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
    paint_points(model, matched.colors)
    scene = reconstruction_to_scene(model)
    exact = {pose_of.name: pose.cam_from_world for pose_of, pose in zip(photos, inputs.poses, strict=True)}
    images = tuple(replace(image, cam_from_world=exact[image.name]) for image in scene.images)
    scene = replace(scene, images=images, frame=inputs.frame, georeference=inputs.georeference)
    agreement = photo_agreement.judge_photos(model, photos, matched.keypoints_px, matched.blocks)
    scene = replace(scene, remarks=(_remark(share, len(photos), inputs.unused),))
    return Mapping(scene, (), (len(photos),), agreement=agreement, still=matched.still)


def _remark(share: float, photographs: int, unused: int) -> Remark:
    message = (
        f"Cameras and poses of the {photographs} photographs are those that were given, unchanged; "
        f"{100 * share:.0f} % of the matches fit them."
    )
    if share < _DOUBTFUL:
        message += " That is little: they are not as exact as the photographs. Compare with a run without them."
    if unused:
        message += f" {unused} more of the given poses belong to no photograph that takes part."
    return Remark("poses-given", message)


def _workload(inputs: TriangulationInputs, stored: StoredInputs) -> Workload:
    return Workload(photos=len(inputs.poses), keypoints=most_keypoints(inputs.matched.features, stored))


STAGE = Stage(
    name="triangulation",
    version=2,
    config=MappingConfig,
    output=Mapping,
    run=run,
    workload=_workload,
    cost=mapping_cost,
)
