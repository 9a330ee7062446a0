"""Names that clients give to files, made safe."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from e2e3d.errors import InputError
from e2e3d.pipeline.sources.source_files import is_hidden
from e2e3d.pipeline.sources.source_set import PHOTO_SUFFIXES, is_photo, mask_name

MAX_NAME_CHARACTERS = 255

_SUFFIX_OF = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/tiff": ".tif",
    "image/webp": ".webp",
    "image/heif": ".heic",
}


def safe_name(name: str) -> str:
    """A relative posix path without ``..``, control characters or needless parts.

    Raises:
        InputError: ``unsafe-name`` when the name points outside, is empty or too long.
    """
    plain = unicodedata.normalize("NFC", name).replace("\\", "/")
    plain = "".join(character for character in plain if unicodedata.category(character)[0] != "C")
    parts = [part.strip() for part in plain.split("/")]
    if plain.startswith("/") or re.match(r"[A-Za-z]:", plain) or ".." in parts:
        raise InputError("unsafe-name", f"{name!r} points outside of the image set.", "Use a relative name without ..")
    kept = "/".join(part for part in parts if part not in ("", "."))
    if not kept:
        raise InputError("unsafe-name", "The file has no name.", "Give it one, such as IMG_0001.jpg.")
    if len(kept) > MAX_NAME_CHARACTERS:
        raise InputError(
            "unsafe-name", f"The name {kept[:40]}… has {len(kept)} characters.", f"At most {MAX_NAME_CHARACTERS}."
        )
    return kept


def is_system_file(name: str) -> bool:
    """Whether it is one of the hidden files that systems put beside photographs."""
    return any(is_hidden(part) for part in PurePosixPath(name).parts)


def is_mask(name: str) -> bool:
    """Whether the engine takes a file of this name for the mask of another one."""
    return mask_name(name) is not None


def with_suffix_of(name: str, media_type: str) -> str:
    """`name`, with the suffix that tells the engine a photograph where it has none."""
    if is_photo(name):
        return name
    suffix = _SUFFIX_OF.get(media_type, min(PHOTO_SUFFIXES))
    return name[: MAX_NAME_CHARACTERS - len(suffix)] + suffix
