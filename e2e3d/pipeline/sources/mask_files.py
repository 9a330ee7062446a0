"""Which mask belongs to which photograph, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from e2e3d.errors import InputError

_SUFFIXES = ("_mask", "-mask", ".mask")


def match_masks(photos: Sequence[str], masks: Sequence[str]) -> dict[str, str]:
    """Find the mask of each photograph: ``NAME.png``, ``NAME.JPG.png`` or ``NAME_mask.png`` for ``NAME.JPG``.

    The same path inside the masks folder counts first; otherwise the file name alone, where only one photograph has it.
    Photographs without a mask are used whole, and masks without a photograph are left over, but not both at once.

    Args:
        photos: names of the photographs.
        masks: names of the masks, relative to the masks folder.

    Returns:
        mask name by photograph name.

    Raises:
        InputError: ``mask-names`` when no name fits, or when both photographs and masks are left without a partner.
    """
    by_stem: dict[str, str] = {}
    for mask in masks:
        by_stem.setdefault(_mask_stem(mask), mask)
    base_counts = Counter(key for photo in photos for key in _keys(PurePosixPath(photo).name))
    matched: dict[str, str] = {}
    for photo in photos:
        keys = _keys(photo) + tuple(key for key in _keys(PurePosixPath(photo).name) if base_counts[key] == 1)
        found = next((by_stem[key] for key in keys if key in by_stem), None)
        if found is not None:
            matched[photo] = found
    alone = [photo for photo in photos if photo not in matched]
    left_over = sorted(set(masks) - set(matched.values()))
    if masks and (not matched or (alone and left_over)):
        raise InputError(
            "mask-names",
            f"{len(alone)} of {len(photos)} photographs have no mask ({_examples(alone)}), "
            f"and {len(left_over)} masks have no photograph ({_examples(left_over)}).",
            f"Name the mask of {PurePosixPath(alone[0]).name} {PurePosixPath(alone[0]).stem}.png.",
        )
    return matched


def _keys(photo: str) -> tuple[str, str]:
    return photo.lower(), PurePosixPath(photo).with_suffix("").as_posix().lower()


def _mask_stem(mask: str) -> str:
    stem = PurePosixPath(mask).with_suffix("").as_posix().lower()
    return next((stem.removesuffix(suffix) for suffix in _SUFFIXES if stem.endswith(suffix)), stem)


def _examples(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
