"""Ingest: look at each photograph once, and write down who took it, how, and what is wrong with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.config.ingest import IngestConfig, ingest_cost
from e2e3d.config.workload import Workload
from e2e3d.data.photo import CameraGuess, Photo, PhotoBlock, PhotoProblem
from e2e3d.data.ref import Ref
from e2e3d.errors import InputError
from e2e3d.ops.photos.decoding import decode_mask, decode_photo, open_photo, upright_size
from e2e3d.ops.photos.exif import PhotoTags, guess_camera, read_tags
from e2e3d.ops.photos.quality import WORKING_SIZE_PX, exposure_problems, measure_photo
from e2e3d.stages.stage import RunContext, Stage

Intrinsics = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True)
class IngestFile:
    """One photograph as it came in: its unique name, its bytes, and those of its mask."""

    name: str
    photo: Ref[bytes]
    mask: Ref[bytes] | None = None


@dataclass(frozen=True)
class IngestInputs:
    """A few photographs, and the 3 x 3 calibration matrix that holds for all of them, where the user gave one."""

    files: tuple[IngestFile, ...]
    intrinsics: Intrinsics | None = None


def run(inputs: IngestInputs, config: IngestConfig, context: RunContext) -> PhotoBlock:
    """Check the photographs one after another, so that one at a time is in memory."""
    return PhotoBlock(tuple(_ingest(file, inputs.intrinsics, config) for file in inputs.files))


def _ingest(file: IngestFile, intrinsics: Intrinsics | None, config: IngestConfig) -> Photo:
    data = file.photo.load()
    mask_data = None if file.mask is None else file.mask.load()
    sha256 = hashlib.sha256(data).hexdigest()
    mask_sha256 = None if mask_data is None else hashlib.sha256(mask_data).hexdigest()
    width = height = 0
    try:
        header = open_photo(data)
        width, height = upright_size(header)
        tags = read_tags(header)
        decoded = decode_photo(data, max_size_px=WORKING_SIZE_PX)
        mask = None if mask_data is None else decode_mask(mask_data, width, height)
    except InputError as error:
        problem = PhotoProblem(error.code, str(error), fatal=True)
        return Photo(file.name, sha256, width, height, None, mask_sha256=mask_sha256, problems=(problem,))
    used = _used_pixels(decoded.alpha_mask, mask, decoded.image.shape[:2])
    problems = _size_problems(width, height, used, config)
    measures = measure_photo(decoded.image, used if used is not None and used.any() else None)
    return Photo(
        name=file.name,
        sha256=sha256,
        width_px=width,
        height_px=height,
        camera=_camera(tags, intrinsics, width, height),
        gps=tags.gps,
        taken_at=tags.taken_at,
        mask_sha256=mask_sha256,
        has_alpha=decoded.alpha_mask is not None,
        sharpness=measures.sharpness,
        exposure=measures.exposure,
        thumbprint=measures.thumbprint,
        white_level=decoded.white_level,
        problems=problems + exposure_problems(measures),
        attitude=tags.attitude,
    )


def _camera(tags: PhotoTags, intrinsics: Intrinsics | None, width_px: int, height_px: int) -> CameraGuess:
    if intrinsics is None:
        return guess_camera(tags, width_px, height_px)
    (fx, _, cx), (_, fy, cy), _ = intrinsics
    group = f"intrinsics given {width_px}x{height_px}"
    return CameraGuess(group, (fx + fy) / 2, "intrinsics", (fx, fy, cx, cy))


def _used_pixels(
    alpha: NDArray[np.bool_] | None, mask: NDArray[np.bool_] | None, shape: tuple[int, ...]
) -> NDArray[np.bool_] | None:
    """Alpha and mask together at the working size: bool [h, w], or None when every pixel may be used."""
    if mask is None:
        return alpha
    rows = np.arange(shape[0]) * mask.shape[0] // shape[0]
    columns = np.arange(shape[1]) * mask.shape[1] // shape[1]
    small = mask[np.ix_(rows, columns)]
    return small if alpha is None else small & alpha


def _size_problems(
    width_px: int, height_px: int, used: NDArray[np.bool_] | None, config: IngestConfig
) -> tuple[PhotoProblem, ...]:
    problems = []
    if max(width_px, height_px) < config.min_size_px:
        message = (
            f"{width_px} x {height_px} pixels are too few: the longest side must have {config.min_size_px}. "
            "Use the original photograph, not a thumbnail."
        )
        problems.append(PhotoProblem("too-small", message, fatal=True))
    if used is not None and used.mean() < config.min_mask_fraction:
        message = (
            "The mask leaves nothing of the photograph. White (any value but 0) marks what to use: "
            "check that it is not inverted."
        )
        problems.append(PhotoProblem("mask-empty", message, fatal=True))
    return tuple(problems)


STAGE = Stage(
    name="ingest",
    version=3,
    config=IngestConfig,
    output=PhotoBlock,
    run=run,
    workload=lambda inputs, stored: Workload(photos=len(inputs.files)),
    cost=ingest_cost,
)
