"""What a function of one's own takes and gives, by kind, and how it becomes the work of a stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e3d.config.workload import Workload
from e2e3d.data.dense import DepthMap, View
from e2e3d.data.features import Features, MatchBlock
from e2e3d.data.photo import PhotoMask
from e2e3d.data.ref import Ref
from e2e3d.errors import SettingsError
from e2e3d.ops.matching import sift
from e2e3d.ops.photos.decoding import decode_photo
from e2e3d.ops.stereo.planes import intrinsics
from e2e3d.ops.stereo.start_planes import maps_from_planes
from e2e3d.stages import depth, features, matching
from e2e3d.stages.stage import RunContext, StoredInputs
from e2e3d.stages.stereo import load_sources
from e2e3d.stages.usable_pixels import usable_pixels

_START_STEP = 2  # of the coarsest level of the search: one start point each second pixel


@dataclass(frozen=True)
class PluginConfig:
    """Settings of a stage of one's own.

    Attributes:
        built_in: those of the stage whose place it takes.
        source: stands for the version of a function that declares none, else empty.
        settings: values of the function's keyword-only parameters, by name.
    """

    built_in: Any
    source: str
    settings: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class PluginFunction:
    """A function of the user; `title` is what errors call it."""

    title: str
    function: Callable[..., Any]
    wants_context: bool

    def __call__(self, *values: object, config: PluginConfig, context: RunContext) -> Any:
        """What the function makes of `values`."""
        more = {"context": context} if self.wants_context else {}
        return self.function(*values, **dict(config.settings), **more)

    def refused(self, what: str, wanted: str) -> SettingsError:
        """The error for a result that cannot be used."""
        return SettingsError("bad-plugin-result", f"{self.title} returned {what}.", f"Return {wanted}.")


@dataclass(frozen=True, eq=False)
class PhotoFeatures:
    """What a matcher of one's own is given of a photograph.

    Attributes:
        keypoints_px: float32 [N, 4] in the full photograph, as :class:`~e2e3d.data.features.Features` has them.
        descriptors: [N, D].
        width_px, height_px: size of the photograph.
    """

    keypoints_px: NDArray[np.float32]
    descriptors: NDArray[Any]
    width_px: int
    height_px: int


@dataclass(frozen=True)
class MaskInputs:
    """One photograph, and its ``white_level``."""

    photo: Ref[bytes]
    white_level: int | None


@dataclass(frozen=True)
class MaskConfig:
    """Settings of masks.

    Attributes:
        max_size_px: longest side of the pictures that are searched; larger photographs are reduced.
    """

    max_size_px: int = 1600


def find_features(
    function: PluginFunction, inputs: features.FeaturesInputs, config: PluginConfig, context: RunContext
) -> Features:
    """Features of one photograph, at ``features.max_size_px``; nothing outside the mask stays."""
    decoded = decode_photo(inputs.photo.load(), config.built_in.max_size_px, inputs.white_level)
    height, width = decoded.image.shape[:2]
    still = None if inputs.still is None else inputs.still.load().masks[inputs.index]
    mask = usable_pixels(inputs.mask, decoded, still)
    wanted = "(keypoints, descriptors): float [N, 2] or [N, 4] in pixels of the image, and an array [N, D]"
    try:
        keypoints, descriptors = (
            np.asarray(part) for part in function(decoded.image, mask, config=config, context=context)
        )
    except (TypeError, ValueError) as error:
        if isinstance(error, TypeError) or "unpack" in str(error):
            raise function.refused(f"what is no pair of arrays ({error})", wanted) from error
        raise
    if keypoints.ndim != 2 or keypoints.shape[1] not in (2, 4) or descriptors.ndim != 2:
        raise function.refused(f"arrays {list(keypoints.shape)} and {list(descriptors.shape)}", wanted)
    if len(keypoints) != len(descriptors) or not np.isfinite(keypoints).all():
        raise function.refused(f"{len(keypoints)} keypoints and {len(descriptors)} descriptors, or no numbers", wanted)
    whole = np.zeros((len(keypoints), 4), np.float32)
    whole[:, 2] = 1
    whole[:, : keypoints.shape[1]] = keypoints
    found = Features(whole, np.ascontiguousarray(descriptors), sift.sample_colors(decoded.image, whole))
    found = found if mask is None else sift.drop_masked(found, mask)
    return sift.rescale_keypoints(found, inputs.width_px / width, inputs.height_px / height)


def match(
    function: PluginFunction, inputs: matching.MatchingInputs, config: PluginConfig, context: RunContext
) -> MatchBlock:
    """Matches of a block of pairs, verified as those of the built-in matcher."""
    found = {photo.index: photo.features.load() for photo in inputs.photos}
    sides = {
        photo.index: PhotoFeatures(
            found[photo.index].keypoints_px, found[photo.index].descriptors, photo.width_px, photo.height_px
        )
        for photo in inputs.photos
    }

    def propose(first: int, second: int) -> NDArray[np.uint32]:
        return propose_matches(function, sides[first], sides[second], config, context)

    return matching.verify_block(inputs, found, propose, config.built_in)


def propose_matches(
    function: PluginFunction, first: PhotoFeatures, second: PhotoFeatures, config: PluginConfig, context: RunContext
) -> NDArray[np.uint32]:
    """What a matcher says of two photographs before verification, uint32 [M, 2]."""
    matches = np.asarray(function(first, second, config=config, context=context))
    if matches.size == 0:
        return np.zeros((0, 2), np.uint32)
    counts = [len(first.keypoints_px), len(second.keypoints_px)]
    right = matches.ndim == 2 and matches.shape[1] == 2 and np.issubdtype(matches.dtype, np.integer)
    if not right or (matches < 0).any() or (matches >= counts).any():
        raise function.refused(
            f"{matches.dtype} {list(matches.shape)} for {counts[0]} and {counts[1]} keypoints",
            "integers [M, 2]: indices of matching keypoints of the first and the second photograph",
        )
    return np.ascontiguousarray(matches, np.uint32)


def estimate_depth(
    function: PluginFunction, inputs: depth.DepthInputs, config: PluginConfig, context: RunContext
) -> DepthMap:
    """Depth of one view in the place of the photometric pass; the geometric passes follow."""
    view = inputs.reference.load()
    sources = tuple(load_sources(view, inputs.sources, config.built_in.sources))
    made = function(view, sources, config=config, context=context)
    height, width = view.image.shape[:2]
    if isinstance(made, DepthMap):
        if {made.depth.shape, made.confidence.shape, made.normal_cam.shape[:2]} != {(height, width)}:
            raise function.refused(f"maps of another size than {width} x {height}", "maps of the size of the view")
        return made
    found = _depth_array(function, made)
    if found.shape != (height, width):
        raise function.refused(f"depth {list(found.shape)}", f"float [{height}, {width}], the size of the view")
    kept = _with_mask(found, view)
    _, normals = maps_from_planes(_planes_through(kept), kept > 0, intrinsics(view.intrinsics_px))
    return DepthMap(kept, normals, (kept > 0).astype(np.float32))


def start_depth(
    function: PluginFunction, inputs: depth.DepthInputs, config: PluginConfig, context: RunContext
) -> DepthMap:
    """The photometric pass, whose search starts from the depth that the function knows instead of sparse points alone.

    A start is tried like any other hypothesis, so a wrong one costs sweeps, not the result.
    """
    view = inputs.reference.load()
    found = _depth_array(function, function(view, config=config, context=context))
    started = _with_start(view, found, config.built_in.coarsest_px) if (found > 0).any() else view
    known = replace(inputs, reference=inputs.reference.bound(lambda: started))
    return depth.run(known, config.built_in, context)


def mask_photo(function: PluginFunction, inputs: MaskInputs, config: PluginConfig, context: RunContext) -> PhotoMask:
    """The mask of one photograph."""
    decoded = decode_photo(inputs.photo.load(), config.built_in.max_size_px, inputs.white_level)
    mask = np.asarray(function(decoded.image, config=config, context=context))
    if mask.shape != decoded.image.shape[:2]:
        raise function.refused(f"a mask {list(mask.shape)}", "bool [H, W] of the image, True = use")
    return PhotoMask(mask > 0)


def _depth_array(function: PluginFunction, made: object) -> NDArray[np.float32]:
    try:
        found = np.array(made, np.float32)
    except (TypeError, ValueError) as error:
        raise function.refused(f"a {type(made).__name__}", "depth, float [H, W], 0 = none") from error
    if found.ndim != 2 or 0 in found.shape:
        raise function.refused(f"depth {list(found.shape)}", "depth, float [H, W], 0 = none")
    found[~np.isfinite(found) | (found < 0)] = 0
    return found


def _with_start(view: View, found: NDArray[np.float32], coarsest_px: int) -> View:
    """The view with points of the depth [h, w] beside its sparse ones, as dense as the coarsest level can use them."""
    height, width = view.image.shape[:2]
    scale = min(1.0, coarsest_px / _START_STEP / max(height, width))
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    y, x = np.mgrid[:rows, :columns] + 0.5
    row, column = (y * found.shape[0] / rows).astype(int), (x * found.shape[1] / columns).astype(int)
    known = found[row, column]
    low, high = view.depth_range
    inside = (known >= low) & (known <= high)
    points_px = np.stack([x * width / columns, y * height / rows], -1)[inside].astype(np.float32)
    return replace(
        view,
        sparse_px=np.concatenate([view.sparse_px, points_px]),
        sparse_depth=np.concatenate([view.sparse_depth, known[inside]]),
    )


def _with_mask(found: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    return found if view.mask is None else np.where(view.mask, found, np.float32(0))


def _planes_through(found: NDArray[np.float32]) -> NDArray[np.float32]:
    """Planes [H, W, 3] of inverse depth and its slopes, by central differences where both neighbours are known."""
    known = found > 0
    inverse = np.divide(1, found, out=np.zeros_like(found), where=known)
    planes = np.stack([inverse, np.zeros_like(inverse), np.zeros_like(inverse)], -1)
    for axis, slope in ((1, 1), (0, 2)):
        before, after = (np.roll(inverse, step, axis) for step in (1, -1))
        both = known & np.roll(known, 1, axis) & np.roll(known, -1, axis)
        ends = [slice(None), slice(None)]
        for end in (0, -1):
            ends[axis] = slice(end, None if end else 1)
            both[tuple(ends)] = False
        planes[..., slope] = np.where(both, (after - before) / 2, 0)
    return planes


def _no_workload(inputs: object, stored: StoredInputs) -> Workload:
    return Workload(photos=1)


Adapt = Callable[[PluginFunction, Any, PluginConfig, RunContext], Any]


@dataclass(frozen=True)
class Kind:
    """What stages of one's own can do.

    Attributes:
        stage: name of the stage of the pipeline whose place it takes; None = beside them.
        parameters: the positional ones of its function.
        signature: of the function, as errors and documents show it.
        output: class of its result.
        adapt: computes a unit with the function.
        workload: of a unit.
    """

    stage: str | None
    parameters: tuple[str, ...]
    signature: str
    output: type[Any]
    adapt: Adapt
    workload: Callable[[Any, StoredInputs], Workload]


KINDS: Mapping[str, Kind] = {
    "masks": Kind(None, ("image",), "f(image) -> mask", PhotoMask, mask_photo, _no_workload),
    "features": Kind(
        features.STAGE.name,
        ("image", "mask"),
        "f(image, mask) -> (keypoints, descriptors)",
        Features,
        find_features,
        features.STAGE.workload,
    ),
    "matching": Kind(
        matching.STAGE.name,
        ("first", "second"),
        "f(first, second) -> matches",
        MatchBlock,
        match,
        matching.STAGE.workload,
    ),
    "depth": Kind(
        depth.STAGE.name,
        ("view", "sources"),
        "f(view, sources) -> depth or DepthMap",
        DepthMap,
        estimate_depth,
        depth.STAGE.workload,
    ),
    "depth_start": Kind(depth.STAGE.name, ("view",), "f(view) -> depth", DepthMap, start_depth, depth.STAGE.workload),
}
"""By what ``stages={...}`` calls them."""
