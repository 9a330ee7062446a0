"""From the bytes of a photograph to pixels: every format, depth and orientation becomes upright uint8 RGB.

JPEGs, nearly all photographs, go through :mod:`e2e3d.ops.photos.jpeg`, which refuses those that are damaged inside;
16-bit pictures through OpenCV, because it keeps their depth; everything else goes through Pillow (libheif for HEIC).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, JpegImagePlugin, UnidentifiedImageError

from e2e3d.errors import InputError
from e2e3d.ops.photos.integrity import require_whole
from e2e3d.ops.photos.jpeg import decode_jpeg

MAX_PIXELS = 400_000_000
"""Larger pictures are refused before any pixel is decoded: they are mosaics or decompression bombs, not photographs."""

_FORMATS = ("PNG", "TIFF", "WEBP", "BMP", "GIF", "AVIF")  # Pillow hands some others to programs of the system
_WHITE_LEVELS = tuple((1 << bits) - 1 for bits in (8, 10, 12, 14, 16))

ScalarT = TypeVar("ScalarT", bound=np.generic)

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_REDUCTIONS = (1, 2, 4, 8)
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_UNREADABLE_HINT = "Copy it again from the camera, or open it in a picture viewer to see what is left of it."


@dataclass(frozen=True)
class DecodedPhoto:
    """Upright pixels of a photograph.

    Attributes:
        image: uint8 [H, W, 3] RGB, EXIF orientation applied.
        alpha_mask: bool [H, W], True = use, or None where the picture has no alpha or is wholly opaque.
        white_level: of a file of 16 bits, the largest sample of a sensor of 8, 10, 12, 14 or 16 bits, the least that
            holds all samples; None of 8 bits.
    """

    image: NDArray[np.uint8]
    alpha_mask: NDArray[np.bool_] | None
    white_level: int | None = None


def decode_photo(data: bytes, max_size_px: int | None = None, white_level: int | None = None) -> DecodedPhoto:
    """Decode JPEG, PNG, TIFF, WebP or HEIC bytes of 8 or 16 bits; grey, palette, CMYK and alpha are understood.

    Args:
        data: the bytes of the file.
        max_size_px: when given, the longest side is reduced to it by averaging areas (never enlarged).
        white_level: of a file of 16 bits, the sample that is white, as
            :func:`~e2e3d.ops.photos.set_review.review_photos` finds it for a camera; when not given, that of this
            photograph.

    Raises:
        InputError: ``photo-unreadable`` for anything that does not decode to what was written: truncated files, and
            those that are damaged inside;
            ``photo-too-large`` above :data:`MAX_PIXELS`.
    """
    header = open_photo(data)
    width, height = header.size
    scale = 1.0 if max_size_px is None else min(1.0, max_size_px / max(width, height))
    target = (max(1, round(width * scale)), max(1, round(height * scale)))
    pixels = _decode_pixels(data, header, target)
    own_level = _white_level(pixels)
    image, alpha = _split_alpha(_to_8_bits(pixels, white_level or own_level))
    if (image.shape[1], image.shape[0]) != target:
        image = cv2.resize(image, target, interpolation=cv2.INTER_AREA)
        alpha = None if alpha is None else cv2.resize(alpha, target, interpolation=cv2.INTER_AREA)
    orientation = orientation_of(header)
    mask = None if alpha is None else _upright(alpha >= 128, orientation)
    return DecodedPhoto(_upright(image, orientation), mask, own_level)


def decode_mask(data: bytes, width_px: int, height_px: int) -> NDArray[np.bool_]:
    """Decode a mask for a photograph of `width_px` x `height_px` (upright): bool [H, W], True where it is non-zero.

    A mask of the same aspect but another size is resized to the nearest pixel. The mask's own EXIF orientation is
    applied; the photograph's is not, because masks are drawn on the photograph as it is seen.

    Raises:
        InputError: ``mask-unreadable`` when it does not decode; ``mask-size`` when the aspect differs.
    """
    try:
        header = open_photo(data)
        pixels = _decode_pixels(data, header, header.size)
    except InputError as error:
        raise InputError("mask-unreadable", f"The mask: {error.message}", "Save it again as PNG.") from error
    floor = 127 if header.format == "JPEG" else 0  # JPEG rings around edges
    used = cv2.inRange(np.ascontiguousarray(pixels[..., :3]), (0, 0, 0), (floor, floor, floor)) == 0
    if pixels.shape[2] == 4:  # a mask drawn in the alpha channel of a black picture, or one with a transparent outside
        used = used & (pixels[..., 3] > 0) if used.any() else pixels[..., 3] > 0
    used = _upright(used, orientation_of(header))
    height, width = used.shape
    if (width, height) == (width_px, height_px):
        return used
    rounding = (width + height + width_px + height_px) / 2  # both sizes may be rounded from a third
    if abs(width * height_px - height * width_px) > rounding:
        raise InputError(
            "mask-size",
            f"A mask of {width} x {height} pixels does not fit its photograph of {width_px} x {height_px} pixels.",
            "Make masks on the photographs as a viewer shows them, upright and not cropped.",
        )
    resized = cv2.resize(used.astype(np.uint8), (width_px, height_px), interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized > 0)


def upright_mask(mask_data: bytes, photo_data: bytes) -> bytes:
    """The mask as its photograph is seen: turned along where it was drawn on the pixels as they are stored.

    That is certain only when the mask fits the stored size but not the upright one; every other mask comes back
    as it is.

    Raises:
        InputError: as :func:`decode_mask`, for a mask that has to be turned and does not decode.
    """
    try:
        mask, photo = open_photo(mask_data), open_photo(photo_data)
    except InputError:
        return mask_data  # the checks of the photograph report it
    upright = upright_size(photo)
    if photo.size == upright or upright_size(mask) != photo.size:
        return mask_data
    turned = _upright(decode_mask(mask_data, *photo.size), orientation_of(photo))
    return bytes(cv2.imencode(".png", turned.astype(np.uint8) * 255)[1])


def open_photo(data: bytes) -> Image.Image:
    """Read the header only: format, size as stored (before orientation), EXIF. The pixels are not decoded.

    Raises:
        InputError: ``photo-unreadable`` when it is no picture; ``photo-too-large`` above :data:`MAX_PIXELS`.
    """
    formats: tuple[str, ...] = _FORMATS
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        import pillow_heif

        pillow_heif.register_heif_opener()
        formats = ("HEIF", *_FORMATS)
    try:
        # The plugin itself: Image.open refuses 200-megapixel phone pictures, and looks for pictures inside the picture.
        is_jpeg = data[:2] == b"\xff\xd8"
        header = (
            JpegImagePlugin.JpegImageFile(io.BytesIO(data))
            if is_jpeg
            else Image.open(io.BytesIO(data), formats=formats)
        )
    except UnidentifiedImageError as error:
        raise _unreadable(data, "unknown format, or the header is damaged") from error
    except Image.DecompressionBombError as error:
        raise _too_large(str(error)) from error
    except Exception as error:  # decoders raise anything on damaged bytes
        raise _unreadable(data, error) from error
    if header.width * header.height > MAX_PIXELS:
        raise _too_large(f"{header.width} x {header.height} pixels")
    return header


def upright_size(header: Image.Image) -> tuple[int, int]:
    """Width and height in pixels after the EXIF orientation is applied."""
    width, height = header.size
    return (height, width) if orientation_of(header) >= 5 else (width, height)


def orientation_of(header: Image.Image) -> int:
    """EXIF orientation 1 to 8 still to be applied; 1 for HEIC and TIFF, whose size and pixels come upright."""
    if header.format == "TIFF":
        return 1
    try:
        value = header.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - a damaged EXIF block must not cost the photograph
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _decode_pixels(data: bytes, header: Image.Image, target: tuple[int, int]) -> Pixels:
    """Pixels as stored, [H, W, 3 or 4]; a JPEG may come reduced by 2, 4 or 8, but not below `target`."""
    try:
        if header.format == "JPEG":
            return _decode_jpeg(data, header, target)
        require_whole(data, header)
        if _is_deep(data, header):
            return _decode_16_bit(data)
        if header.mode in ("F", "I"):
            raise ValueError("pictures of 32-bit samples are not photographs")
        has_alpha = header.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in header.info
        wanted = "RGBA" if has_alpha else "RGB"
        return np.asarray(header if header.mode == wanted else header.convert(wanted))
    except MemoryError:
        raise
    except Exception as error:  # decoders raise anything on damaged bytes
        raise _unreadable(data, error) from error


def _decode_jpeg(data: bytes, header: Image.Image, target: tuple[int, int]) -> NDArray[np.uint8]:
    """Decode reduced where the reduced picture still holds `target`."""
    sides = tuple(zip(header.size, target, strict=True))
    factor = max(f for f in _REDUCTIONS if all(side // f >= wanted for side, wanted in sides) or f == 1)
    if header.mode != "CMYK":
        return decode_jpeg(data, header.size, factor)
    inks = 255 - decode_jpeg(data, header.size, factor, "CMYK")  # stored inverted, as Photoshop does
    return np.asarray(Image.frombytes("CMYK", inks.shape[1::-1], inks.tobytes()).convert("RGB"))


def _is_deep(data: bytes, header: Image.Image) -> bool:
    """Whether samples have more than 8 bits, which Pillow would clip or cut."""
    if header.format == "PNG":
        return data[24] == 16
    if header.format == "TIFF":
        bits = header.getexif().get(ExifTags.Base.BitsPerSample, 8)
        return header.mode != "F" and 8 < max(bits if isinstance(bits, tuple) else (bits,)) <= 16
    return header.mode.startswith("I")


def _decode_16_bit(data: bytes) -> NDArray[np.uint16]:
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None or pixels.dtype != np.uint16:
        raise ValueError("unknown 16-bit layout")
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, axis=2)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB))


def _white_level(pixels: Pixels) -> int | None:
    """Cameras write samples of 10, 12 or 14 bits into files of 16, with nothing that says so."""
    if pixels.dtype == np.uint8:
        return None
    brightest = int(pixels[..., :3].max())
    return next(level for level in _WHITE_LEVELS if brightest <= level)


def _to_8_bits(pixels: Pixels, white_level: int | None) -> NDArray[np.uint8]:
    """Scale colours, and alpha from 16 bits, since it is not of the sensor; what is brighter than white is white."""
    if white_level is None or pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    scaled = np.empty(pixels.shape, np.uint8)
    scaled[..., :3] = _scale_to_8_bits(white_level)[pixels[..., :3]]
    scaled[..., 3:] = _scale_to_8_bits(_WHITE_LEVELS[-1])[pixels[..., 3:]]
    return scaled


def _scale_to_8_bits(white_level: int) -> NDArray[np.uint8]:
    scaled = (np.arange(1 << 16, dtype=np.uint32) * 255 + white_level // 2) // white_level
    return np.asarray(np.minimum(scaled, 255), np.uint8)


def _split_alpha(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    if pixels.shape[2] == 3:
        return pixels, None
    alpha = pixels[..., 3]
    opaque = bool((alpha == 255).all())
    return np.ascontiguousarray(pixels[..., :3]), None if opaque else np.ascontiguousarray(alpha)


def _upright(pixels: NDArray[ScalarT], orientation: int) -> NDArray[ScalarT]:
    """Apply an EXIF orientation to [H, W, ...] pixels."""
    if orientation >= 5:  # 5 to 8 are 1, 4, 3, 2 of the transposed picture
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _too_large(what: str) -> InputError:
    return InputError(
        "photo-too-large", f"The picture is too large: {what}.", f"At most {MAX_PIXELS // 10**6} megapixels."
    )


def _unreadable(data: bytes, why: object) -> InputError:
    if not data:
        return InputError(
            "photo-unreadable", "The file is empty, damaged inside its archive, or may not be read.", _UNREADABLE_HINT
        )
    return InputError("photo-unreadable", f"The picture cannot be decoded ({why}).", _UNREADABLE_HINT)
