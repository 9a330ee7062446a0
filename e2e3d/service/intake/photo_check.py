"""The checks of the engine, made when a photograph arrives, so that its owner hears at once what is wrong with it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from e2e3d.config.ingest import IngestConfig
from e2e3d.data.photo import PhotoProblem
from e2e3d.data.ref import Ref
from e2e3d.errors import InputError
from e2e3d.ops.photos.decoding import open_photo
from e2e3d.ops.photos.quality import hash_distance
from e2e3d.ops.photos.set_review import (
    MIN_PHOTOGRAPHS,
    NEAR_DUPLICATE_BITS,
    blur_problem,
    differently_exposed,
    near_duplicate_problem,
)
from e2e3d.service.image_sets.records import Finding, PhotoFacts, PhotoRecord
from e2e3d.service.intake.photo_names import is_mask
from e2e3d.stages.ingest import STAGE, IngestFile, IngestInputs
from e2e3d.stages.stage import RunContext

MAX_DECODED_PIXELS = 120_000_000
"""Of pictures that must be decoded whole to be looked at: all but plain JPEGs, which are reduced while they decode."""

_MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
    "HEIF": "image/heif",
}
_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"II*\0", b"MM\0*", b"RIFF")
FORMATS = "Send JPEG, PNG, TIFF, WebP or HEIC photographs, or a zip archive of them."


def check_photo(name: str, data: bytes, sha256: str) -> PhotoFacts:
    """Look at one photograph by itself, in bounded memory; masks only have to decode."""
    try:
        header = open_photo(data)
        media_type = _media_type(header)
    except InputError as error:
        return PhotoFacts(sha256, len(data), "", findings=(Finding(error.code, str(error), True),))
    inputs = IngestInputs((IngestFile(name, Ref.of(data)),))
    photo = STAGE.run(inputs, IngestConfig(), RunContext()).photos[0]
    mask = is_mask(name)
    problems = [problem for problem in photo.problems if not mask or photo.width_px == 0]
    return PhotoFacts(
        sha256=sha256,
        bytes=len(data),
        media_type=media_type,
        width_px=photo.width_px or None,
        height_px=photo.height_px or None,
        sharpness=None if mask or not photo.thumbprint else photo.sharpness,
        exposure=None if mask or not photo.thumbprint else photo.exposure,
        thumbprint=None if mask or not photo.thumbprint else photo.thumbprint,
        findings=tuple(_finding(problem) for problem in problems),
    )


def looks_like_photo(start: bytes) -> bool:
    """Whether a file that begins like this may be a photograph; at least 12 bytes."""
    return start.startswith(_STARTS) or start[4:8] == b"ftyp"


def beside(facts: PhotoFacts, others: Sequence[tuple[str, str, float]]) -> PhotoFacts:
    """`facts` with a finding ``near-duplicate`` when one of `others` (name, thumbprint, exposure) looks the same."""
    if facts.thumbprint is None or facts.exposure is None or facts.rejected:
        return facts
    for name, thumbprint, exposure in others:
        alike = hash_distance(facts.thumbprint, thumbprint) <= NEAR_DUPLICATE_BITS
        if alike and not differently_exposed(facts.exposure, exposure):
            return replace(facts, findings=(*facts.findings, _finding(near_duplicate_problem(name))))
    return facts


def judged(photos: Sequence[PhotoRecord], usual: Sequence[tuple[float, float]]) -> tuple[PhotoRecord, ...]:
    """Add what depends on the whole set as it is now: ``blurred``, against sharpness and exposure of its photographs.

    The engine judges in the same way, so a photograph it would leave out for blur has a fatal finding here.
    """
    if len(usual) < MIN_PHOTOGRAPHS:
        return tuple(photos)
    sharpness, exposure = (statistics.median(values) for values in zip(*usual, strict=True))
    return tuple(_judged(photo, sharpness, exposure) for photo in photos)


def _judged(photo: PhotoRecord, sharpness: float, exposure: float) -> PhotoRecord:
    facts = photo.facts
    if photo.state == "rejected" or facts.sharpness is None or facts.exposure is None:
        return photo
    problem = blur_problem(facts.sharpness, sharpness, facts.exposure / exposure if exposure else 1.0)
    if problem is None:
        return photo
    facts = replace(facts, findings=(*facts.findings, _finding(problem)))
    return replace(photo, facts=facts, state="warning")


def _media_type(header: Image.Image) -> str:
    form = header.format or ""
    if form not in _MEDIA_TYPES:
        raise InputError("photo-format", f"{form or 'This'} is no format of photographs.", FORMATS)
    plain = form in ("JPEG", "MPO") and not header.info.get("progressive")
    if header.width * header.height > MAX_DECODED_PIXELS and not plain:
        raise InputError(
            "photo-too-large",
            f"The picture is too large: {header.width} x {header.height} pixels.",
            f"At most {MAX_DECODED_PIXELS // 10**6} megapixels, or any size up to 400 as a plain JPEG.",
        )
    return _MEDIA_TYPES[form]


def _finding(problem: PhotoProblem) -> Finding:
    return Finding(problem.code, problem.message, problem.fatal)
