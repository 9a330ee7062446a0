"""Checks of a whole set of photographs: duplicates, blur, sizes, and whether enough is left to reconstruct from."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from e2e3d.data.photo import Photo, PhotoProblem
from e2e3d.errors import InputError
from e2e3d.ops.photos.quality import hash_distance

MIN_PHOTOGRAPHS = 3
NEAR_DUPLICATE_BITS = 2
"""Perceptual hashes of neighbouring views of an object differ in 4 bits and more, those of re-encoded copies in 0 to 2.
"""

_BLURRED = 0.2
_HOPELESSLY_BLURRED = 0.01
_CENTRE_TOLERANCE = 0.2  # principal point off the centre, as a share of half a side
_SAME_SIZE = 0.04  # off by more in both axes alike: another size
_SAME_EXPOSURE = 0.005
_SAME_BRIGHTNESS = 0.02
_QUARTER_STOP = 2 ** (0.25 / 2.2)


def review_photos(photos: Sequence[Photo]) -> tuple[Photo, ...]:
    """Add the problems that only the whole set shows, and refuse sets that cannot give a model.

    Added problems: ``duplicate`` (fatal; the first copy stays), ``near-duplicate`` (warning; not within an exposure
    bracket), ``blurred`` relative to the median of the set (fatal only when hopeless). Samples of 16 bits get the range
    that their camera uses.

    Returns:
        the same photographs in the same order.

    Raises:
        InputError: ``no-photographs`` without any; ``intrinsics-size`` when given intrinsics belong to pictures of
            another size; ``identical-photographs`` when all show the same picture; ``too-few-photographs`` when fewer
            than :data:`MIN_PHOTOGRAPHS` are usable.
    """
    if not photos:
        raise InputError(
            "no-photographs", "There are no photographs.", "Give JPEG, PNG, TIFF, WebP or HEIC files, or a video."
        )
    check_intrinsics_size(photos)
    photos = _with_white_of_their_camera(photos)
    reviewed = _mark_blurred(_mark_near_duplicates(_mark_duplicates(photos)))
    _require_different(reviewed)
    _require_enough(reviewed)
    return reviewed


def check_intrinsics_size(photos: Sequence[Photo]) -> None:
    """Compare given intrinsics with the size of the photographs: the principal point lies near the centre.

    Raises:
        InputError: ``intrinsics-size``.
    """
    for photo in photos:
        if not photo.usable or photo.camera is None or photo.camera.intrinsics_px is None:
            continue
        _, _, cx, cy = photo.camera.intrinsics_px
        off_x, off_y = 2 * cx / photo.width_px - 1, 2 * cy / photo.height_px - 1
        resized = min(abs(off_x), abs(off_y)) > _SAME_SIZE and abs(off_x - off_y) < _SAME_SIZE
        if resized or max(abs(off_x), abs(off_y)) > _CENTRE_TOLERANCE:
            raise InputError(
                "intrinsics-size",
                f"The intrinsics belong to photographs of about {2 * cx:.0f} x {2 * cy:.0f} pixels, "
                f"but {photo.name} has {photo.width_px} x {photo.height_px}.",
                "Multiply the first two rows of K by the ratio of the sizes, give photographs of one size only, "
                "or leave the intrinsics out.",
            )


def _with_white_of_their_camera(photos: Sequence[Photo]) -> tuple[Photo, ...]:
    """A dark photograph uses fewer bits than its camera has, and must not come out brighter than its neighbours."""
    levels: dict[str, int] = {}
    for photo in photos:
        if photo.camera is not None and photo.white_level is not None:
            levels[photo.camera.group] = max(photo.white_level, levels.get(photo.camera.group, 0))
    return tuple(
        photo
        if photo.camera is None or photo.white_level is None
        else _with_white(photo, photo.white_level, levels[photo.camera.group])
        for photo in photos
    )


def _with_white(photo: Photo, own_level: int, level: int) -> Photo:
    darker = own_level / level
    return replace(photo, white_level=level, exposure=photo.exposure * darker, sharpness=photo.sharpness * darker**2)


def _mark_duplicates(photos: Sequence[Photo]) -> tuple[Photo, ...]:
    first: dict[str, str] = {}
    marked = []
    for photo in photos:
        original = first.setdefault(photo.sha256, photo.name)
        if original != photo.name and photo.usable:
            photo = _with_problem(photo, "duplicate", f"The same file as {original}; one copy is enough.", fatal=True)
        marked.append(photo)
    return tuple(marked)


def _mark_near_duplicates(photos: Sequence[Photo]) -> tuple[Photo, ...]:
    usable = [photo for photo in photos if photo.usable]
    hashes = np.frombuffer(bytes.fromhex("".join(photo.thumbprint for photo in usable)), np.uint8)
    bits = np.unpackbits(hashes.reshape(-1, 8), axis=1)
    twins: dict[str, str] = {}
    for index, photo in enumerate(usable):
        alike = np.flatnonzero((bits[:index] != bits[index]).sum(axis=1) <= NEAR_DUPLICATE_BITS)
        twin = next((i for i in alike if not differently_exposed(photo.exposure, usable[i].exposure)), None)
        if twin is not None:
            twins[photo.name] = usable[twin].name
    return tuple(
        replace(photo, problems=(*photo.problems, near_duplicate_problem(twins[photo.name])))
        if photo.name in twins
        else photo
        for photo in photos
    )


def _mark_blurred(photos: Sequence[Photo]) -> tuple[Photo, ...]:
    usable = [photo.sharpness for photo in photos if photo.usable]
    if len(usable) < MIN_PHOTOGRAPHS:
        return tuple(photos)
    median = statistics.median(usable)
    exposure = statistics.median(photo.exposure for photo in photos if photo.usable)
    marked = []
    for photo in photos:
        brightness = photo.exposure / exposure if exposure else 1.0
        problem = blur_problem(photo.sharpness, median, brightness) if photo.usable else None
        marked.append(photo if problem is None else replace(photo, problems=(*photo.problems, problem)))
    return tuple(marked)


def differently_exposed(first: float, second: float) -> bool:
    """Whether two photographs of one picture are of an exposure bracket: by a quarter of a stop and more.

    Args:
        first: mean luminance of one in [0, 1], gamma-coded.
        second: of the other.
    """
    low, high = sorted((first, second))
    brighter = max(high / max(low, 1e-6), (1 - low) / max(1 - high, 1e-6))
    return high - low > _SAME_BRIGHTNESS and brighter > _QUARTER_STOP


def blur_problem(sharpness: float, median: float, brightness: float) -> PhotoProblem | None:
    """What is wrong with a photograph of this sharpness in a set with this median; None when it is sharp enough.

    Args:
        sharpness: of the photograph.
        median: of the set.
        brightness: exposure over the median of the set; what is darker has less contrast, and is not blurred for that.
    """
    if sharpness >= _BLURRED * median * min(1.0, brightness) ** 2:
        return None
    message = (
        f"Blurred: {sharpness / median:.0%} of the usual sharpness of this set. "
        "Take it again with a shorter exposure, or check the focus."
    )
    return PhotoProblem("blurred", message, sharpness < _HOPELESSLY_BLURRED * median)


def near_duplicate_problem(twin: str) -> PhotoProblem:
    """What is wrong with a photograph that looks the same as `twin`."""
    message = f"Looks the same as {twin}. Move the camera between photographs."
    return PhotoProblem("near-duplicate", message, fatal=False)


def _require_different(photos: Sequence[Photo]) -> None:
    alike = [photo for photo in photos if photo.usable or _has(photo, "duplicate")]
    if len(alike) < 2 or not all(_same_picture(photo, alike[0]) for photo in alike[1:]):
        return
    raise InputError(
        "identical-photographs",
        f"All {len(alike)} photographs show the same picture ({alike[0].name}, {alike[1].name}, ...).",
        "Walk around the object, and take each photograph from another place.",
    )


def _require_enough(photos: Sequence[Photo]) -> None:
    usable = sum(photo.usable for photo in photos)
    if usable >= MIN_PHOTOGRAPHS:
        return
    names_by_reason: dict[str, list[str]] = {}
    for photo in photos:
        if not photo.usable:
            reason = next(problem.message for problem in photo.problems if problem.fatal)
            names_by_reason.setdefault(reason, []).append(photo.name)
    count = {0: "None", 1: "Only one", 2: "Only two"}[usable]
    reasons = "".join(f" {_examples(names)}: {reason}" for reason, names in names_by_reason.items())
    raise InputError(
        "too-few-photographs",
        f"{count} of {len(photos)} photographs can be used.{reasons}",
        f"A model needs at least {MIN_PHOTOGRAPHS} photographs from different places; 20 to 60 are good.",
    )


def _same_picture(first: Photo, second: Photo) -> bool:
    """Stricter than near duplicates: views of a plain vase on a turntable look alike, but are lit differently."""
    alike = hash_distance(first.thumbprint, second.thumbprint) <= NEAR_DUPLICATE_BITS
    return alike and abs(first.exposure - second.exposure) <= _SAME_EXPOSURE


def _examples(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _has(photo: Photo, code: str) -> bool:
    return any(problem.code == code for problem in photo.problems)


def _with_problem(photo: Photo, code: str, message: str, fatal: bool) -> Photo:
    return replace(photo, problems=(*photo.problems, PhotoProblem(code, message, fatal)))
