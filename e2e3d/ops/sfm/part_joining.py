"""One model out of those of overlapping parts: tracks are merged, cameras shared again, and all adjusted together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pycolmap
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from e2e3d.data.photo import Photo
from e2e3d.data.photo_parts import PartModel
from e2e3d.data.scene import Camera
from e2e3d.ops.sfm import incremental_mapping as sfm
from e2e3d.ops.sfm.calibration import adjust_bundle
from e2e3d.ops.sfm.colmap_model import camera_to_colmap, reconstruction_to_scene
from e2e3d.ops.sfm.part_alignment import AlignedModels, align_models, keypoint_codes

_LARGEST_PX = (16.0, 4.0)  # reprojection errors of what stays after each adjustment; the last is COLMAP's own
_LOCAL_ADJUSTMENTS, _LOCAL_CHANGE = 2, 1e-3
_TOGETHER = 0.5  # of the photographs: the others are placed one by one, adjusted with those near them only


def part_model(model: pycolmap.Reconstruction, members: NDArray[np.int32]) -> PartModel:
    """A model as a record; its image ids are places in `members`, the photographs of the part, plus one."""
    scene = reconstruction_to_scene(model)
    points = [model.point3D(point_id) for point_id in sorted(model.point3D_ids())]
    tracks = [sorted((e.image_id - 1, e.point2D_idx) for e in point.track.elements) for point in points]
    observed = np.array([each for track in tracks for each in track], np.int64).reshape(-1, 2)
    return PartModel(
        photos=members[[image.photo_index for image in scene.images]],
        cam_from_world=np.stack([image.cam_from_world for image in scene.images]),
        camera_ids=np.array([image.camera_id for image in scene.images], np.int32),
        cameras=scene.cameras,
        points_world=scene.points_world,
        observation_point=np.repeat(np.arange(len(points), dtype=np.int32), [len(track) for track in tracks]),
        observation_photo=members[observed[:, 0]],
        observation_keypoint=observed[:, 1].astype(np.int32),
    )


def join_models(
    models: Sequence[PartModel],
    photos: Sequence[Photo],
    keypoints_px: Sequence[NDArray[np.float32]],
    database: pycolmap.Database,
    fixed_cameras: frozenset[int],
    settings: sfm.SfmSettings,
    reachable: int,
) -> list[pycolmap.Reconstruction]:
    """The models of all parts as one, or as few as their overlaps allow, largest first.

    Photographs that no part could place are tried again in the largest one. Where the parts hardly hold together, none
    are returned: the set is better mapped from nothing.

    Args:
        models: of all parts.
        photos: the usable photographs.
        keypoints_px: float32 [N, >= 2] of each.
        database: of :func:`~e2e3d.ops.sfm.incremental_mapping.build_database`, with the matches to map from.
        fixed_cameras: cameras whose intrinsics the user gave.
        settings: of the mapper.
        reachable: how many photographs the matches connect.
    """
    joined = [_merged(models, group, photos, keypoints_px) for group in align_models(models)]
    joined = sorted(joined, key=lambda one: -one.num_reg_images())
    if not joined or joined[0].num_reg_images() < _TOGETHER * reachable:
        return []
    _refine(joined[0], database, fixed_cameras, settings)
    return joined


@dataclass(frozen=True)
class _Tracks:
    """Merged points [P, 3], and their observations by ascending point: point [M], photograph [M], keypoint [M]."""

    points_world: NDArray[np.float64]
    point: NDArray[np.int64]
    photo: NDArray[np.int64]
    keypoint: NDArray[np.int64]


def _merged(
    models: Sequence[PartModel],
    group: AlignedModels,
    photos: Sequence[Photo],
    keypoints_px: Sequence[NDArray[np.float32]],
) -> pycolmap.Reconstruction:
    """The models of a group in one frame, not adjusted yet."""
    merged = pycolmap.Reconstruction()
    ids = _camera_id_of(photos)
    for camera in _cameras(models, group, ids):
        merged.add_camera_with_trivial_rig(camera_to_colmap(camera))
    for photo, pose in sorted(_poses(models, group).items()):
        keypoints = keypoints_px[photo][:, :2].astype(np.float64)
        image = pycolmap.Image(name=photos[photo].name, keypoints=keypoints, camera_id=ids[photo], image_id=photo + 1)
        merged.add_image_with_trivial_frame(image, pycolmap.Rigid3d(pose))
    tracks = merge_tracks(models, group)
    ends = np.searchsorted(tracks.point, np.arange(len(tracks.points_world)), side="right").tolist()
    images, keypoint, start = (tracks.photo + 1).tolist(), tracks.keypoint.tolist(), 0
    for position, end in zip(tracks.points_world, ends, strict=True):
        elements = zip(images[start:end], keypoint[start:end], strict=True)
        merged.add_point3D(position, pycolmap.Track([pycolmap.TrackElement(*each) for each in elements]))
        start = end
    return merged


def _camera_id_of(photos: Sequence[Photo]) -> list[int]:
    """The id of the camera of each photograph in the joined model; parts number those of their own photographs."""
    ids = sfm.camera_ids(photos)
    return [ids[photo.camera.group] for photo in photos if photo.camera is not None]


def _cameras(models: Sequence[PartModel], group: AlignedModels, ids: Sequence[int]) -> list[Camera]:
    """Every camera, with the median of what the parts found, each counted by its photographs."""
    found: dict[int, Camera] = {}
    params: dict[int, list[tuple[float, ...]]] = {}
    for number in sorted(group.to_world):
        cameras = {camera.camera_id: camera for camera in models[number].cameras}
        for photo, own_id in zip(models[number].photos.tolist(), models[number].camera_ids.tolist(), strict=True):
            found.setdefault(ids[photo], cameras[own_id])
            params.setdefault(ids[photo], []).append(cameras[own_id].params)
    return [
        replace(camera, camera_id=camera_id, params=tuple(np.median(params[camera_id], axis=0).tolist()))
        for camera_id, camera in sorted(found.items())
    ]


def _poses(models: Sequence[PartModel], group: AlignedModels) -> dict[int, NDArray[np.float64]]:
    """The pose of each photograph, from the model in which it observes most points."""
    best: dict[int, tuple[int, NDArray[np.float64]]] = {}
    for number in sorted(group.to_world):
        model, to_world = models[number], group.to_world[number]
        seen = np.bincount(model.observation_photo, minlength=int(model.photos.max(initial=0)) + 1)
        for photo, pose in zip(model.photos.tolist(), model.cam_from_world, strict=True):
            if photo not in best or seen[photo] > best[photo][0]:
                best[photo] = int(seen[photo]), to_world.apply_to_pose(pose)
    return {photo: pose for photo, (_, pose) in best.items()}


def merge_tracks(models: Sequence[PartModel], group: AlignedModels) -> _Tracks:
    """Points that models of a group agree on become one, in the middle of them.

    A keypoint that two tracks claim goes to the longer one. A track that comes to a photograph twice loses both
    keypoints there, and one with a single photograph left is dropped.
    """
    numbers = sorted(group.to_world)
    *before, total = np.cumsum([0] + [len(models[n].points_world) for n in numbers]).tolist()
    starts = dict(zip(numbers, before, strict=True))
    edges = [one.points + np.array([starts[one.first], starts[one.second]]) for one in group.overlaps]
    links = np.concatenate([np.zeros((0, 2), np.int64), *edges])
    graph = coo_array((np.ones(len(links), np.bool_), (links[:, 0], links[:, 1])), shape=(total, total))
    track_of = connected_components(graph, directed=False)[1].astype(np.int64)
    points = np.concatenate([group.to_world[n].apply(models[n].points_world) for n in numbers])
    codes = np.concatenate([keypoint_codes(models[n]) for n in numbers])
    tracks = track_of[np.concatenate([starts[n] + models[n].observation_point.astype(np.int64) for n in numbers])]
    tracks, codes = np.unique(np.column_stack([tracks, codes]), axis=0).T
    kept = _undisputed(tracks, codes)
    tracks, codes = tracks[kept], codes[kept]
    used, point = np.unique(tracks, return_inverse=True)
    sums = np.stack([np.bincount(track_of, points[:, axis]) for axis in range(3)], axis=1)
    middle = (sums / np.bincount(track_of)[:, None])[used]
    return _Tracks(middle, point, codes >> 32, codes & 0xFFFFFFFF)


def _undisputed(tracks: NDArray[np.int64], codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which observations stay, bool [M]: one track a keypoint, one keypoint of a photograph a track, two a track."""
    kept = np.ones(len(tracks), np.bool_)
    length = np.bincount(tracks)[tracks] if len(tracks) else tracks
    order = np.lexsort((tracks, -length, codes))
    kept[order[1:][np.diff(codes[order]) == 0]] = False
    in_photo = np.column_stack([tracks, codes >> 32])
    _, group, times = np.unique(in_photo[kept], axis=0, return_inverse=True, return_counts=True)
    kept[np.flatnonzero(kept)[times[group.ravel()] > 1]] = False
    left = np.bincount(tracks[kept], minlength=int(tracks.max(initial=0)) + 1)
    return kept & (left[tracks] > 1)


def _refine(
    model: pycolmap.Reconstruction,
    database: pycolmap.Database,
    fixed_cameras: frozenset[int],
    settings: sfm.SfmSettings,
) -> None:
    """Adjust the model in place, drop what does not fit, and place photographs that it has not got yet."""
    for camera in model.cameras.values():
        database.update_camera(camera)
    mapper = pycolmap.IncrementalMapper(pycolmap.DatabaseCache.create(database, pycolmap.DatabaseCacheOptions()))
    mapper.begin_reconstruction(model)
    options = sfm.incremental_options(fixed_cameras, settings)
    for largest_px in _LARGEST_PX:
        adjust_bundle(model, fixed_cameras, frozenset())
        mapper.complete_and_merge_tracks(options.triangulation)
        mapper.filter_points(pycolmap.IncrementalMapperOptions(filter_max_reproj_error=largest_px))
    if _place_missing(mapper, options, settings):
        adjust_bundle(model, fixed_cameras, frozenset())
        mapper.filter_points(pycolmap.IncrementalMapperOptions(filter_max_reproj_error=_LARGEST_PX[-1]))
    mapper.end_reconstruction(False)


def _place_missing(
    mapper: pycolmap.IncrementalMapper, options: pycolmap.IncrementalPipelineOptions, settings: sfm.SfmSettings
) -> int:
    """Register what can be, at first by as much as COLMAP's mapper asks for, then by less; returns how many."""
    model = mapper.reconstruction
    if model.num_reg_images() == model.num_images():
        return 0
    for image_id in sorted(model.reg_image_ids()):  # points that a part saw from two places, and others see as well
        mapper.triangulate_image(options.triangulation, image_id)
    placed = _place_all(mapper, options)
    sfm.relax_options(options, settings.min_inliers)
    options.mapper.max_reg_trials *= 2  # those that failed before may be tried again
    return placed + _place_all(mapper, options)


def _place_all(mapper: pycolmap.IncrementalMapper, options: pycolmap.IncrementalPipelineOptions) -> int:
    """Register one photograph after another, as COLMAP's mapper does."""
    placed, adjusting = 0, options.get_local_bundle_adjustment()
    while True:
        for image_id in mapper.find_next_images(options.get_mapper(), False):
            if mapper.register_next_image(options.get_mapper(), image_id):
                break
        else:
            return placed
        placed += 1
        mapper.triangulate_image(options.triangulation, image_id)
        mapper.iterative_local_refinement(
            _LOCAL_ADJUSTMENTS, _LOCAL_CHANGE, options.get_mapper(), adjusting, options.triangulation, image_id
        )
