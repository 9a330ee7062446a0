"""Small pictures of photographs: made when they are first asked for, kept in the store, collected like artifacts."""

from __future__ import annotations

import io

from PIL import Image

from e2e3d.ops.photos.decoding import decode_photo
from e2e3d.service.intake.checkers import PhotoCheckers
from e2e3d.storage.names import blob_name, thumbnail_name
from e2e3d.storage.objects import ObjectStore

SIDE_PX = 320
_JPEG_QUALITY = 80


def encode_thumbnail(data: bytes) -> bytes:
    """The photograph as it is seen, at most :data:`SIDE_PX` on its longer side, as JPEG.

    Raises:
        InputError: as :func:`~e2e3d.ops.photos.decoding.decode_photo`.
    """
    out = io.BytesIO()
    Image.fromarray(decode_photo(data, SIDE_PX).image).save(out, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return out.getvalue()


def load_thumbnail(files: ObjectStore, checkers: PhotoCheckers, user_id: str, sha256: str) -> bytes:
    """The thumbnail of a stored photograph; a process that may die of it decodes the photograph.

    Raises:
        FileNotFoundError: the store has lost the photograph.
        InputError: it does not decode.
        MachineError: of the store, or ``photo-check`` when the process cannot be started.
    """
    name = thumbnail_name(sha256)
    try:
        return bytes(files.load(name))
    except FileNotFoundError:
        made = checkers.thumbnail(user_id, bytes(files.load(blob_name(sha256))))
    files.put(name, made)
    return made
