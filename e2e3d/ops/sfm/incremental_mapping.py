"""Structure from motion with COLMAP's mappers, on a database that exists in memory only.

Incremental: Schönberger and Frahm, "Structure-from-Motion Revisited", CVPR 2016. Global: Pan et al., "Global
Structure-from-Motion Revisited" (GLOMAP), ECCV 2024.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pycolmap
from numpy.typing import NDArray

from e2e3d.data.features import MatchBlock
from e2e3d.data.photo import Photo
from e2e3d.ops.matching.match_blocks import matches_of
from e2e3d.ops.matching.match_graph import turned_in_place
from e2e3d.ops.matching.two_view import colmap_camera
from e2e3d.ops.sfm.calibration import plausible_lenses

SEED = 20160627
MIN_MODEL_SIZE = 3
_THREADS = 1  # the solver adds in the order in which threads finish: with more, no two runs give the same model
MIN_MEDIAN_ANGLE_DEG = 1.0
_NEARLY_ALL, _MOST_PAIRS = 0.9, 0.8  # of the matches, of the pairs: those with little overlap may look otherwise
# All cameras are adjusted whenever the model has grown by so much. The end is adjusted until it converges anyway.
_GROWTH, _GROWTH_WEAK = 1.3, 1.1
_ADJUSTMENTS = 2  # at most, each time, with outliers dropped between them
_HOMOGRAPHIES = (
    pycolmap.TwoViewGeometryConfiguration.PANORAMIC,
    pycolmap.TwoViewGeometryConfiguration.PLANAR_OR_PANORAMIC,
)


@dataclass(frozen=True)
class SfmSettings:
    """What the mappers need to know; `mapper` is ``incremental`` or ``global``."""

    mapper: str
    min_inliers: int


def build_database(
    photos: Sequence[Photo], keypoints_px: Iterable[NDArray[np.float32]], blocks: Iterable[MatchBlock]
) -> tuple[pycolmap.Database, frozenset[int]]:
    """Fill an in-memory COLMAP database; image ids are indices of `photos` plus one, one camera per camera group.

    Args:
        photos: the usable photographs; each must have a camera guess.
        keypoints_px: float32 [N, >= 2] for each photograph, consumed one after another.
        blocks: verified matches.

    Returns:
        The database, and the ids of the cameras whose intrinsics the user gave.
    """
    database = pycolmap.Database.open(":memory:")
    ids = camera_ids(photos)
    written: set[int] = set()
    fixed: set[int] = set()
    for photo in photos:
        assert photo.camera is not None
        camera_id = ids[photo.camera.group]
        if camera_id in written:
            continue
        written.add(camera_id)
        camera = colmap_camera(photo.camera, photo.width_px, photo.height_px, camera_id)
        database.write_camera(camera, use_camera_id=True)
        rig = pycolmap.Rig(rig_id=camera_id)
        rig.add_ref_sensor(camera.sensor_id)
        database.write_rig(rig, use_rig_id=True)
        if photo.camera.intrinsics_px is not None:
            fixed.add(camera_id)
    for index, (photo, keypoints) in enumerate(zip(photos, keypoints_px, strict=True)):
        assert photo.camera is not None
        _write_image(database, photo, index + 1, ids[photo.camera.group], keypoints)
    for block in blocks:
        _write_matches(database, block)
    return database, frozenset(fixed)


def camera_ids(photos: Sequence[Photo]) -> dict[str, int]:
    """The id of the camera of each group, from 1, in the order of the photographs; each must have a camera guess."""
    ids: dict[str, int] = {}
    for photo in photos:
        assert photo.camera is not None
        ids.setdefault(photo.camera.group, len(ids) + 1)
    return ids


def _write_image(
    database: pycolmap.Database, photo: Photo, image_id: int, camera_id: int, keypoints: NDArray[np.float32]
) -> None:
    image = pycolmap.Image(name=photo.name, camera_id=camera_id, image_id=image_id)
    database.write_image(image, use_image_id=True)
    frame = pycolmap.Frame(frame_id=image_id, rig_id=camera_id)
    frame.add_data_id(image.data_id)
    database.write_frame(frame, use_frame_id=True)
    database.write_keypoints(image_id, np.ascontiguousarray(keypoints[:, :2], np.float32))


def _write_matches(database: pycolmap.Database, block: MatchBlock) -> None:
    for p, (first, second) in enumerate(block.pairs.tolist()):
        matches = matches_of(block, p)
        if len(matches) == 0:
            continue
        essential, fundamental, homography = block.matrices[p]
        geometry = pycolmap.TwoViewGeometry(
            config=pycolmap.TwoViewGeometryConfiguration(int(block.configurations[p])),
            inlier_matches=matches,
            E=essential,
            F=fundamental,
            H=homography,
        )
        database.write_two_view_geometry(first + 1, second + 1, geometry)


def reconstruct(
    database: pycolmap.Database, fixed_cameras: frozenset[int], settings: SfmSettings, reachable: int
) -> list[pycolmap.Reconstruction]:
    """All components found, largest first, and none if the camera only turned; deterministic.

    Photographs of an object with little texture share few points with few others, fewer than COLMAP asks for, and too
    few to separate lens distortion from the shape of the object. Where the matches connect more photographs than were
    registered, mapping is repeated with less asked for, first with the lens held, and then globally.

    Args:
        database: from :func:`build_database`.
        fixed_cameras: cameras whose intrinsics the user gave.
        settings: of the mappers.
        reachable: how many photographs the matches connect.
    """
    if only_turned(database):
        return []
    best: list[pycolmap.Reconstruction] = []
    for gain, attempt in _ATTEMPTS[settings.mapper]:
        components = run_mapper(database, fixed_cameras, settings, attempt)
        if _largest(components) > gain * _largest(best):
            best = components
        if _largest(best) >= _ENOUGH * reachable:
            break
    return best


# What is tried in order, and by how much its largest model must exceed the one before to be preferred. The global
# mapper registers what it can place at all, wrongly at times, so that it must gain more.
_ATTEMPTS = {
    "incremental": (
        (1.0, "incremental"),
        (1.0, "incremental-stiff"),
        (1.0, "incremental-weak"),
        (1.25, "global"),
    ),
    "global": ((1.0, "global"), (1.0, "incremental-stiff"), (1.0, "incremental-weak")),
}
_ENOUGH = 0.97


def _largest(components: list[pycolmap.Reconstruction]) -> int:
    return components[0].num_reg_images() if components else 0


def run_mapper(
    database: pycolmap.Database, fixed_cameras: frozenset[int], settings: SfmSettings, attempt: str
) -> list[pycolmap.Reconstruction]:
    """One run of COLMAP's mapper, largest model first; `attempt` is a name in the list of attempts.

    Models with lenses that cannot exist, and those left without a point, are dropped.
    """
    pycolmap.set_random_seed(SEED)
    manager = pycolmap.ReconstructionManager()
    if attempt == "global":
        _run_global(database, fixed_cameras, settings, manager)
    else:
        options = incremental_options(fixed_cameras, settings)
        if attempt != "incremental":
            relax_options(options, settings.min_inliers)
            options.ba_refine_extra_params = attempt == "incremental-weak"
        pycolmap.IncrementalPipeline(options, database, manager).run()
    components = [manager.get(i) for i in range(manager.size())]
    components = [component for component in components if component.num_points3D() and plausible_lenses(component)]
    return sorted(components, key=lambda c: (-c.num_reg_images(), -c.num_points3D()))


def relax_options(options: pycolmap.IncrementalPipelineOptions, min_inliers: int) -> None:
    """Register photographs by as few points as verify a pair, start from weaker pairs, and adjust more often."""
    options.ba_global_frames_ratio = options.ba_global_points_ratio = _GROWTH_WEAK
    options.mapper.abs_pose_min_num_inliers = min_inliers
    options.mapper.abs_pose_min_inlier_ratio = 0.15
    options.mapper.init_min_num_inliers = min(options.mapper.init_min_num_inliers, 4 * min_inliers)


def only_turned(database: pycolmap.Database) -> bool:
    """Whether nearly all matches are of homographies, and these are those of a camera that turns in one place."""
    geometries = [
        (*pycolmap.pair_id_to_image_pair(pair_id), geometry)
        for pair_id, geometry in zip(*database.read_two_view_geometries(), strict=True)
        if geometry.config != pycolmap.TwoViewGeometryConfiguration.WATERMARK  # a narrow overlap looks like one
    ]
    matches = np.array([len(geometry.inlier_matches) for _, _, geometry in geometries])
    flat = np.array([geometry.config in _HOMOGRAPHIES for _, _, geometry in geometries], np.bool_)
    if not flat.any() or flat.mean() < _MOST_PAIRS or matches[flat].sum() < _NEARLY_ALL * matches.sum():
        return False
    first, second, homographies = zip(
        *((one, other, geometry.H) for (one, other, geometry), own in zip(geometries, flat, strict=True) if own),
        strict=True,
    )
    cameras = {image.image_id: database.read_camera(image.camera_id) for image in database.read_all_images()}
    return turned_in_place(
        np.array(homographies),
        np.array([cameras[image_id].calibration_matrix() for image_id in first]),
        np.array([cameras[image_id].calibration_matrix() for image_id in second]),
    )


def incremental_options(fixed_cameras: frozenset[int], settings: SfmSettings) -> pycolmap.IncrementalPipelineOptions:
    """COLMAP's defaults, seeded, for small sets too, all cameras adjusted less often, the given intrinsics held."""
    options = pycolmap.IncrementalPipelineOptions(
        min_num_matches=settings.min_inliers,
        min_model_size=MIN_MODEL_SIZE,
        num_threads=_THREADS,
        random_seed=SEED,
        extract_colors=False,
        ba_global_frames_ratio=_GROWTH,
        ba_global_points_ratio=_GROWTH,
        ba_global_max_refinements=_ADJUSTMENTS,
    )
    options.constant_cameras = set(fixed_cameras)
    options.mapper.constant_cameras = set(fixed_cameras)
    options.mapper.random_seed = SEED
    options.triangulation.random_seed = SEED
    return options


def _run_global(
    database: pycolmap.Database,
    fixed_cameras: frozenset[int],
    settings: SfmSettings,
    manager: pycolmap.ReconstructionManager,
) -> None:
    options = pycolmap.GlobalPipelineOptions(
        min_num_matches=settings.min_inliers,
        min_model_size=MIN_MODEL_SIZE,
        num_threads=_THREADS,
        random_seed=SEED,
    )
    options.mapper.bundle_adjustment.refine_focal_length = not fixed_cameras
    options.mapper.bundle_adjustment.refine_extra_params = not fixed_cameras
    pycolmap.GlobalPipeline(options, database, manager).run()


def median_triangulation_angle_deg(reconstruction: pycolmap.Reconstruction) -> float:
    """Median over (a sample of) the points of the widest angle between two of their viewing rays."""
    centres = {i: reconstruction.image(i).projection_center() for i in reconstruction.reg_image_ids()}
    point_ids = sorted(reconstruction.point3D_ids())
    angles = [
        _widest_angle(reconstruction.point3D(point_id), centres)
        for point_id in point_ids[:: max(1, len(point_ids) // 1000)]
    ]
    return float(np.degrees(np.median(angles))) if angles else 0.0


def _widest_angle(point: pycolmap.Point3D, centres: dict[int, NDArray[np.float64]]) -> float:
    rays = np.array([centres[element.image_id] for element in point.track.elements]) - point.xyz
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    return float(np.arccos(np.clip((rays @ rays.T).min(), -1, 1)))


def paint_points(reconstruction: pycolmap.Reconstruction, colors: Sequence[NDArray[np.uint8]]) -> None:
    """Give each point the mean colour of its keypoints; `colors` holds uint8 [N, 3] for each image id minus one."""
    for point in reconstruction.points3D.values():
        seen = [colors[element.image_id - 1][element.point2D_idx] for element in point.track.elements]
        point.color = np.mean(seen, axis=0).round().astype(np.uint8)
