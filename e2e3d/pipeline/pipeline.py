"""The pipeline: what happens to photographs, in order. Where and how the units run is the executor's business."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from e2e3d.config.matching import MatchingConfig
from e2e3d.config.pairs import without_comparison
from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.run_options import NO_OPTIONS, RunOptions
from e2e3d.config.smaller_sizes import at_size
from e2e3d.config.undistort import UndistortConfig
from e2e3d.data.agreement import StillRegions
from e2e3d.data.dense import DepthMap, PointCloud, View, ViewGeometry
from e2e3d.data.features import Features, MatchBlock
from e2e3d.data.given_poses import GivenPose, GivenPoses
from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.data.photo import Photo
from e2e3d.data.ref import Ref
from e2e3d.data.run_results import Results, not_computed
from e2e3d.data.scene import Mapping
from e2e3d.errors import ReconstructionError
from e2e3d.ops.geo.scene_frame import KnownDistance
from e2e3d.ops.matching.match_blocks import plan_blocks as plan_match_blocks
from e2e3d.ops.photos.set_review import review_photos
from e2e3d.pipeline.dense_passes import measure_surface
from e2e3d.pipeline.executor import Executor
from e2e3d.pipeline.map_parts import map_parts
from e2e3d.pipeline.pair_choice import choose_pairs, link_pairs
from e2e3d.pipeline.passes import Pass
from e2e3d.pipeline.plugins import NO_PLUGINS, Plugins
from e2e3d.pipeline.poisoned_units import compute_without, ingest_all, mark_poisoned
from e2e3d.pipeline.second_chance import check_packages, map_with_second_chance
from e2e3d.pipeline.smaller_sizes import SmallerViews, pick, smaller_sizes
from e2e3d.pipeline.sources.leave_out import leave_out
from e2e3d.pipeline.sources.read_poses import match_poses
from e2e3d.pipeline.sources.source_set import SourceSet, StoredFiles, parse_intrinsics, read_source
from e2e3d.runtime.threads import import_ahead
from e2e3d.stages import (
    features,
    mapping,
    matching,
    mesh,
    pairs,
    still_regions,
    texture,
    triangulation,
    undistort,
)
from e2e3d.stages.ingest import Intrinsics

Milestone = Literal["mapping", "cloud", "mesh"]
"""What a run may be told to end with."""
_IMAGES_A_UNIT = 50


def reconstruct(
    source: str | os.PathLike[str] | StoredFiles,
    config: PipelineConfig,
    run: Executor,
    options: RunOptions = NO_OPTIONS,
    plugins: Plugins = NO_PLUGINS,
    until: Milestone | None = None,
    poses: GivenPoses | None = None,
) -> Results:
    """Turn photographs into a textured model.

    Args:
        source: a folder, a zip archive or a video; or files that are in the store already.
        config: settings of every stage.
        run: executes the units of work and keeps their results.
        options: what else is known of the photographs; without masks there, those found beside them are used.
        plugins: stages of one's own.
        until: the last thing to make; records of what would follow raise ``not-computed`` when they are loaded.
        poses: cameras and poses from elsewhere, which stay as they are; photographs without one take no part.

    Raises:
        E2E3DError: as the stages say. What was finished stays in the store, and the next run goes on from there.
    """
    check_packages(config.learned)
    plugins.check(config)
    given = options.intrinsics
    matrix = None if given is None else parse_intrinsics(given.text, given.source)
    files = leave_out(read_source(source, run, options.masks, config.frames), options.left_out)
    photos, known = match_poses(check_photos(files, matrix, config, run), poses)
    photos = plugins.mask(photos, run)
    usable = [photo for photo in photos if photo.usable]

    (found, matches), kept = compute_without(
        [photo.name for photo in usable],
        lambda kept: find_matches(pick(usable, kept), files.is_video, config, run, plugins),
    )
    photos, usable = mark_poisoned(photos, usable, kept), pick(usable, kept)
    still = find_still(usable, found, matches, run)
    if still.load().found:
        found, matches = find_matches(usable, files.is_video, config, run, plugins, still)
    import_ahead("open3d")  # for the report; cameras take one core
    if poses is None:
        found, matches, mapped = find_cameras(usable, options, still, config, run, found, matches)
    else:
        mapped = triangulate(usable, poses, known, still, config, run, found, matches)

    sparse = Results(
        photos=photos,
        photo_files=tuple(run.blob(photo.sha256) for photo in photos),
        mapped=mapped,
        features=tuple(found),
        matches=tuple(matches),
        views=(),
        geometry=(),
        depths=(),
        cloud=not_computed(PointCloud),
        mesh=not_computed(Mesh),
        textured=not_computed(TexturedMesh),
    )
    return sparse if until == "mapping" else densify(sparse, usable, config, run, plugins, until)


def densify(
    sparse: Results,
    usable: Sequence[Photo],
    config: PipelineConfig,
    run: Executor,
    plugins: Plugins = NO_PLUGINS,
    until: Milestone | None = None,
) -> Results:
    """The results with views, depth, cloud, mesh and texture, from those of mapping."""
    mapped = sparse.mapped
    geometry = view_geometry(mapped, len(usable), config.depth.max_size_px, run)
    registered = [usable[image.photo_index] for image in geometry]
    matched = images_with_sources(geometry)
    undistorted = undistort_photos(registered, mapped, config.depth.max_size_px, run)
    views = pick(undistorted, matched)
    smaller = []
    for size_px in smaller_sizes(config.depth.max_size_px, registered):
        undistorted = undistort_photos(registered, mapped, size_px, run, at_size(size_px, "undistort"))
        smaller.append(SmallerViews(size_px, pick(undistorted, matched)))
    geometry = pick(geometry, matched)
    names = [registered[i].name for i in matched]

    def measure(kept: list[int]) -> tuple[list[Ref[DepthMap]], Ref[PointCloud]]:
        sizes = [level.only(kept) for level in smaller]
        return measure_surface(pick(views, kept), pick(geometry, kept), config, run, sizes, plugins, pick(names, kept))

    (depths, cloud), kept = compute_without(names, measure)
    views, geometry = pick(views, kept), pick(geometry, kept)
    dense = replace(sparse, views=tuple(views), geometry=tuple(geometry), depths=tuple(depths), cloud=cloud)
    if until == "cloud":
        return dense
    surface = make_mesh(cloud, views, depths, config, run)
    if until == "mesh":
        return replace(dense, mesh=surface)
    return replace(dense, mesh=surface, textured=texture_mesh(surface, mapped, registered, config, run))


def check_photos(
    files: SourceSet, intrinsics: Intrinsics | None, config: PipelineConfig, run: Executor
) -> tuple[Photo, ...]:
    """Look at every photograph, a few a unit, and then at the set as a whole."""
    entries = [file.ingest_file() for file in files.files]
    return review_photos(ingest_all(entries, intrinsics, config.ingest, run))


def find_matches(
    photos: Sequence[Photo],
    sequence: bool,
    config: PipelineConfig,
    run: Executor,
    plugins: Plugins = NO_PLUGINS,
    still: Ref[StillRegions] | None = None,
) -> tuple[list[Ref[Features]], list[Ref[MatchBlock]]]:
    """Features of every photograph outside `still`, and matches of the pairs that may overlap, in blocks of pairs."""
    units = [features_unit(photo, still, i) for i, photo in enumerate(photos)]
    again = "" if still is None else " 2"
    if not plugins.compares_pairs:
        config = replace(config, pairs=without_comparison(config.pairs))
    names = [photo.name for photo in photos]
    searched = plugins.applied_to(Pass(features.STAGE, units, config.features, f"features{again}", names))

    def matching_of(chosen: NDArray[np.int32], some: Sequence[Ref[Features]], name: str) -> Pass[Any, Any, MatchBlock]:
        return plugins.applied_to(_matching(photos, some, chosen, config, again, name))

    if not pairs.need_features(len(photos), sequence, config.pairs):
        every = choose_pairs(photos, sequence, (), config, run)
        found, matches = run.map_passes([searched, matching_of(every, searched.results, "matching")])
        return found, matches
    (found,) = run.map_passes([searched])
    chosen = choose_pairs(photos, sequence, found, config, run, again)
    (matches,) = run.map_passes([matching_of(chosen, found, "matching")])
    if pairs.needs_comparison(len(photos), sequence, config.pairs):
        linked = link_pairs(len(photos), matches, config, run, again)
        matches += run.map_passes([matching_of(linked, found, "linked matching")])[0]
    return found, matches


def features_unit(photo: Photo, still: Ref[StillRegions] | None, index: int) -> features.FeaturesInputs:
    """What it takes to find the features of a photograph, the one at `index` of the usable ones, outside `still`."""
    size_px = photo.width_px, photo.height_px
    return features.FeaturesInputs(
        _bytes(photo), _mask(photo), *size_px, photo.white_level, still, index if still else 0
    )


def find_still(
    photos: Sequence[Photo], found: Sequence[Ref[Features]], matches: Sequence[Ref[MatchBlock]], run: Executor
) -> Ref[StillRegions]:
    """Where the photographs stand still, as before a fixed background, and the subject has hardly a match."""
    sizes_px = tuple((photo.width_px, photo.height_px) for photo in photos)
    unit = still_regions.StillRegionsInputs(tuple(found), sizes_px, tuple(matches))
    (regions,) = run.map(still_regions.STAGE, [unit], still_regions.StillRegionsConfig())
    return regions


def _matching(
    photos: Sequence[Photo],
    found: Sequence[Ref[Features]],
    chosen: NDArray[np.int32],
    config: PipelineConfig,
    again: str,
    name: str,
) -> Pass[matching.MatchingInputs, MatchingConfig, MatchBlock]:
    blocks = plan_match_blocks(chosen, len(photos))
    units = [match_unit(block, photos, found, moving_only=bool(again)) for block in blocks]
    return Pass(matching.STAGE, units, config.matching, f"{name}{again}")


def find_cameras(
    photos: Sequence[Photo],
    options: RunOptions,
    still: Ref[StillRegions],
    config: PipelineConfig,
    run: Executor,
    found: Sequence[Ref[Features]],
    matches: Sequence[Ref[MatchBlock]],
) -> tuple[list[Ref[Features]], list[Ref[MatchBlock]], Ref[Mapping]]:
    """Cameras and points, where asked for with a second chance; also the features and matches that they rest on."""
    distance = None if options.known_distance is None else KnownDistance(*options.known_distance)
    mapper = partial(map_cameras, photos, options.scale, distance, still, config, run)
    return map_with_second_chance(photos, found, matches, mapper, config.learned, run)


def map_cameras(
    photos: Sequence[Photo],
    scale: float | None,
    known_distance: KnownDistance | None,
    still: Ref[StillRegions] | None,
    config: PipelineConfig,
    run: Executor,
    found: Sequence[Ref[Features]],
    matches: Sequence[Ref[MatchBlock]],
    label: str | None = None,
) -> Ref[Mapping]:
    """Cameras, poses and sparse points of the whole set; `label` names the pass, `still` was left out before."""
    parts = map_parts(photos, config.mapping, run, found, matches, "" if label is None else " again")
    unit = mapping.MappingInputs(tuple(photos), tuple(found), tuple(matches), scale, known_distance, still, parts)
    (mapped,) = run.map(mapping.STAGE, [unit], config.mapping, label)
    return mapped


def triangulate(
    photos: Sequence[Photo],
    poses: GivenPoses,
    known: dict[str, GivenPose],
    still: Ref[StillRegions] | None,
    config: PipelineConfig,
    run: Executor,
    found: Sequence[Ref[Features]],
    matches: Sequence[Ref[MatchBlock]],
) -> Ref[Mapping]:
    """Sparse points of the whole set with the poses that are known of each photograph, in the place of mapping."""
    matched = mapping.MappingInputs(tuple(photos), tuple(found), tuple(matches), still=still)
    of_photos = tuple(known[photo.name] for photo in photos)
    unused = len(poses.poses) - len(known)
    unit = triangulation.TriangulationInputs(matched, of_photos, poses.frame, poses.georeference, unused)
    (mapped,) = run.map(triangulation.STAGE, [unit], config.mapping, mapping.STAGE.name)
    return mapped


def view_geometry(mapped: Ref[Mapping], photos: int, size_px: int, run: Executor) -> list[ViewGeometry]:
    """Sources and sizes of the views of all registered images, which are at most `photos`, before they have pixels.

    The views are those with sides of at most `size_px`; smaller ones have the same sources.
    """
    units = [undistort.GeometryInputs(mapped, first, _IMAGES_A_UNIT) for first in range(0, photos, _IMAGES_A_UNIT)]
    blocks = run.map(undistort.GEOMETRY_STAGE, units, UndistortConfig(max_size_px=size_px))
    return [image for block in blocks for image in block.load().views]


def undistort_photos(
    photos: Sequence[Photo], mapped: Ref[Mapping], size_px: int, run: Executor, label: str | None = None
) -> list[Ref[View]]:
    """Pinhole views with sides of at most `size_px`; `photos` are the registered ones in the order of ``scene.images``.

    `label` names the pass.
    """
    units = [undistort_unit(photo, mapped, i) for i, photo in enumerate(photos)]
    names = [photo.name for photo in photos]
    return run.map(undistort.STAGE, units, UndistortConfig(max_size_px=size_px), label, names)


def undistort_unit(photo: Photo, mapped: Ref[Mapping], image_index: int) -> undistort.UndistortInputs:
    """What it takes to make the view of a registered photograph."""
    return undistort.UndistortInputs(mapped, image_index, _bytes(photo), _mask(photo), photo.white_level)


def images_with_sources(geometry: Sequence[ViewGeometry]) -> list[int]:
    """Leave out images whose view no other can be matched with: they have no depth.

    Raises:
        ReconstructionError: ``no-stereo-pairs`` when none remains.
    """
    matched = [i for i, image in enumerate(geometry) if image.sources]
    if not matched:
        raise ReconstructionError(
            "no-stereo-pairs",
            "No two registered photographs see the same surface from usefully different places.",
            "Take photographs from more viewpoints, with about two thirds of the picture in common.",
        )
    return matched


def make_mesh(
    cloud: Ref[PointCloud],
    views: Sequence[Ref[View]],
    depths: Sequence[Ref[DepthMap]],
    config: PipelineConfig,
    run: Executor,
) -> Ref[Mesh]:
    """The surface through the points."""
    (surface,) = run.map(mesh.STAGE, [mesh.MeshInputs(cloud, tuple(views), tuple(depths))], config.mesh)
    return surface


def texture_mesh(
    surface: Ref[Mesh], mapped: Ref[Mapping], photos: Sequence[Photo], config: PipelineConfig, run: Executor
) -> Ref[TexturedMesh]:
    """The surface painted from the registered photographs, in the order of ``scene.images``."""
    (textured,) = run.map(texture.STAGE, [texture_unit(surface, mapped, photos)], config.texture)
    return textured


def texture_unit(surface: Ref[Mesh], mapped: Ref[Mapping], photos: Sequence[Photo]) -> texture.TextureInputs:
    """What it takes to paint a surface from the registered photographs, in the order of ``scene.images``."""
    return texture.TextureInputs(
        surface,
        mapped,
        tuple(_bytes(photo) for photo in photos),
        tuple(_mask(photo) for photo in photos),
        tuple(photo.white_level for photo in photos),
    )


def match_unit(
    block: NDArray[np.int32], photos: Sequence[Photo], found: Sequence[Ref[Features]], moving_only: bool
) -> matching.MatchingInputs:
    """What it takes to match a block of pairs, int32 [P, 2], of the usable photographs."""
    members = []
    for i in sorted({int(i) for i in block.ravel()}):
        photo = photos[i]
        assert photo.camera is not None  # every usable photograph has a guess
        members.append(matching.MatchingPhoto(i, found[i], photo.camera, photo.width_px, photo.height_px))
    return matching.MatchingInputs(tuple((int(i), int(j)) for i, j in block), tuple(members), moving_only)


def _bytes(photo: Photo) -> Ref[bytes]:
    return Ref.blob(photo.sha256)


def _mask(photo: Photo) -> Ref[bytes] | None:
    return None if photo.mask_sha256 is None else Ref.blob(photo.mask_sha256)
