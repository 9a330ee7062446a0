"""The photographs of a data set: undistorted ones, or upright copies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from e2e3d.data.photo import Photo
from e2e3d.data.ref import Ref
from e2e3d.data.scene import Scene
from e2e3d.ops.formats.pictures import encode_jpeg, encode_png
from e2e3d.ops.photos.decoding import decode_photo, open_photo, orientation_of
from e2e3d.ops.photos.undistortion import PinholeSize, undistort_image
from e2e3d.outputs.export import Writer

_QUALITY = 95
_JPEG = (".jpg", ".jpeg")
_AS_THEY_ARE = (*_JPEG, ".png")


def picture_name(name: str) -> str:
    """What the picture of a photograph is called: other formats than JPEG and PNG become PNG."""
    path = PurePosixPath(name)
    return name if path.suffix.lower() in _AS_THEY_ARE else f"{name}.png"


def write_pictures(
    writer: Writer,
    scene: Scene,
    photos: Mapping[str, tuple[Photo, Ref[bytes]]],
    sizes: Mapping[int, PinholeSize] | None,
) -> None:
    """Write the picture of every registered photograph below ``images/``.

    Args:
        writer: into the folder of the data set.
        scene: the one that the photographs were registered in, with their own cameras.
        photos: photographs and their bytes by name.
        sizes: the undistorted picture of each camera; None = the photographs themselves, turned upright.
    """
    for image in scene.images:
        photo, data = photos[image.name]
        name = picture_name(image.name)
        content = data.load()
        if sizes is None and name == image.name and orientation_of(open_photo(content)) == 1:
            writer.write(f"images/{name}", content)
            continue
        pixels = decode_photo(content, white_level=photo.white_level).image
        if sizes is not None:
            pixels, _ = undistort_image(pixels, None, scene.camera_of(image), sizes[image.camera_id])
        jpeg = PurePosixPath(name).suffix.lower() in _JPEG
        writer.write(f"images/{name}", encode_jpeg(pixels, _QUALITY) if jpeg else encode_png(pixels))
