"""Cameras, poses and sparse points of the whole set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pycolmap
from numpy.typing import NDArray

from e2e3d.config.mapping import MappingConfig, mapping_cost
from e2e3d.config.workload import Workload
from e2e3d.data.agreement import PhotoAgreement, StillParts, StillRegions
from e2e3d.data.features import Features, MatchBlock
from e2e3d.data.photo import Photo
from e2e3d.data.photo_parts import PartModels
from e2e3d.data.ref import Ref
from e2e3d.data.scene import Mapping, Scene
from e2e3d.ops.colmap_log import silence_colmap
from e2e3d.ops.geo.scene_frame import KnownDistance, place_scene
from e2e3d.ops.matching.match_graph import MatchGraph, match_graph, pair_motions
from e2e3d.ops.matching.still_matches import MovingBlocks, describe_still, find_still
from e2e3d.ops.sfm import incremental_mapping as sfm
from e2e3d.ops.sfm import left_out, photo_agreement
from e2e3d.ops.sfm.calibration import polish
from e2e3d.ops.sfm.colmap_model import reconstruction_to_scene
from e2e3d.ops.sfm.folded_halves import mark_folded
from e2e3d.ops.sfm.gps_adjustment import adjust_to_positions
from e2e3d.ops.sfm.lens_remarks import lens_remarks
from e2e3d.ops.sfm.lenses import map_photographs
from e2e3d.ops.sfm.pixel_stretch import (
    keypoints_of_square_pixels,
    photos_of_square_pixels,
    stretch_remark,
    stretched_again,
)
from e2e3d.ops.sfm.track_selection import choose_tracks, on_chosen_tracks
from e2e3d.stages.matching import most_keypoints
from e2e3d.stages.stage import RunContext, Stage, StoredInputs


@dataclass(frozen=True)
class MappingInputs:
    """The set, and what is known of its scale.

    Attributes:
        photos: the usable photographs, in the order that indices in `blocks` count.
        features: of each photograph.
        blocks: all verified matches.
        scale: model units are multiplied by it, and are metres afterwards; None = unknown.
        known_distance: metres between two photographs' viewpoints; it gives the scale instead.
        still: where the photographs stand still, which features and matches were kept out of.
        parts: models of parts of the set, to start from; none = the set is mapped jointly.
    """

    photos: tuple[Photo, ...]
    features: tuple[Ref[Features], ...]
    blocks: tuple[Ref[MatchBlock], ...]
    scale: float | None = None
    known_distance: KnownDistance | None = None
    still: Ref[StillRegions] | None = None
    parts: tuple[Ref[PartModels], ...] = ()


def run(inputs: MappingInputs, config: MappingConfig, context: RunContext) -> Mapping:
    """Find the largest connected model: the cameras from chosen tracks, then the points from all of them.

    Raises:
        ReconstructionError: ``no-features``, ``no-overlap``, ``identical-photographs``, ``stands-still``,
            ``pure-rotation`` or ``too-little-overlap``.
        InputError: ``unknown-photograph`` or ``bad-distance`` for an impossible known distance.
    """
    silence_colmap()
    matched = matches_that_move(inputs, config)
    keypoints, blocks, parts = matched.keypoints_px, matched.blocks, matched.still
    settings = sfm.SfmSettings(config.mapper, config.min_matches)
    graph = match_graph(blocks)
    chosen = choose_tracks(keypoints, blocks)

    def fewer() -> Iterator[MatchBlock]:
        return (on_chosen_tracks(block, chosen) for block in blocks)

    models = [model for ref in inputs.parts for model in ref.load().models]
    reachable = graph.reachable(2 * config.min_matches)
    mapped = map_photographs(inputs.photos, keypoints, fewer, settings, reachable, parts=models)
    components, photos = mapped.components, inputs.photos
    if mapped.scales is not None:
        photos = photos_of_square_pixels(photos, mapped.scales)
        keypoints = keypoints_of_square_pixels(keypoints, mapped.scales)
    counts = [len(positions) for positions in keypoints]
    if not components:
        motions = pair_motions(blocks, keypoints, _calibrations(photos))
        raise left_out.explain_failure(counts, motions, parts)
    if sfm.median_triangulation_angle_deg(components[0]) < sfm.MIN_MEDIAN_ANGLE_DEG:
        raise left_out.stands_still_error() if left_out.mostly_still(parts) else left_out.pure_rotation_error()
    database, _ = sfm.build_database(mapped.photos, keypoints, blocks)
    model = polish(components[0], database, mapped.fixed_cameras, config.max_error_px)
    agreement = mark_folded(model, counts, photo_agreement.judge_photos(model, photos, keypoints, blocks))
    if left_out.mostly_still(parts) and photo_agreement.refuted(agreement):
        raise left_out.stands_still_error()
    if photo_agreement.remove_contradicting(model, agreement):
        model = polish(model, database, mapped.fixed_cameras, config.max_error_px)
    model = adjust_to_positions(model, reconstruction_to_scene(model), photos, mapped.fixed_cameras)
    sfm.paint_points(model, matched.colors)
    scene = place_scene(reconstruction_to_scene(model), photos, inputs.scale, inputs.known_distance)
    notes = lens_remarks(scene, photos, mapped.lenses_from_matches, mapped.focal_held)
    if mapped.scales is not None:
        notes += stretch_remark(scene, mapped.scales)
        scene = stretched_again(scene, inputs.photos, matched.keypoints_px, mapped.scales)
    return replace(_mapping(photos, counts, graph, scene, components, agreement, parts), lens_notes=notes)


@dataclass(frozen=True)
class MovingMatches:
    """What a set was matched by, without what stands still in its images.

    Attributes:
        keypoints_px: float32 [N, 2] of each photograph.
        colors: uint8 [N, 3] of each photograph's keypoints.
        blocks: verified matches.
        still: what was left out of them; None = nothing.
    """

    keypoints_px: list[NDArray[np.float32]]
    colors: list[NDArray[np.uint8]]
    blocks: MovingBlocks
    still: StillParts | None


def matches_that_move(inputs: MappingInputs, config: MappingConfig) -> MovingMatches:
    """The keypoints of every photograph, and the matches that do not stand still."""
    features = [_positions_and_colors(ref) for ref in inputs.features]
    keypoints = [positions for positions, _ in features]
    sizes_px = [(photo.width_px, photo.height_px) for photo in inputs.photos]
    still = find_still(keypoints, sizes_px, (ref.load() for ref in inputs.blocks))
    regions = None if inputs.still is None else inputs.still.load()
    parts = describe_still(keypoints, still, (ref.load() for ref in inputs.blocks), regions)
    blocks = MovingBlocks(inputs.blocks, still, config.min_matches)
    return MovingMatches(keypoints, [colors for _, colors in features], blocks, parts)


def _positions_and_colors(ref: Ref[Features]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    features = ref.load()
    return features.keypoints_px[:, :2].copy(), features.colors


def _calibrations(photos: Sequence[Photo]) -> NDArray[np.float64]:
    matrices = []
    for photo in photos:
        assert photo.camera is not None
        guess = (photo.camera.focal_px, photo.camera.focal_px, photo.width_px / 2, photo.height_px / 2)
        fx, fy, cx, cy = photo.camera.intrinsics_px or guess
        matrices.append([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return np.array(matrices, np.float64)


def _mapping(
    photos: Sequence[Photo],
    feature_counts: Sequence[int],
    graph: MatchGraph,
    scene: Scene,
    components: Sequence[pycolmap.Reconstruction],
    agreement: tuple[PhotoAgreement, ...],
    still: StillParts | None,
) -> Mapping:
    registered = frozenset(image.photo_index for image in scene.images)
    contradicting = [photo for photo in agreement if photo.contradicts and photo.photo_index not in registered]
    elsewhere: dict[int, int] = {}
    known = registered.union(photo.photo_index for photo in contradicting)
    others = [c for c in components[1:] if not known.issuperset(i - 1 for i in c.reg_image_ids())]
    for component in others:
        for image_id in component.reg_image_ids():
            elsewhere.setdefault(image_id - 1, component.num_reg_images())
    reasons = left_out.explain_left_out(photos, feature_counts, graph, registered, elsewhere, contradicting, still)
    sizes = (len(scene.images), *(component.num_reg_images() for component in others))
    return Mapping(scene, reasons, sizes, agreement=agreement, still=still)


def _workload(inputs: MappingInputs, stored: StoredInputs) -> Workload:
    return Workload(photos=len(inputs.photos), keypoints=most_keypoints(inputs.features, stored))


STAGE = Stage(
    name="mapping",
    version=13,
    config=MappingConfig,
    output=Mapping,
    run=run,
    workload=_workload,
    cost=mapping_cost,
)
MAPPING_AGAIN = "mapping again"
"""Label of the pass that maps with learned matches too."""
