"""Pictures that tests make themselves, and the ways to write them."""

import io

import cv2
import numpy as np
from PIL import Image

ORIENTATION, MAKE, MODEL, EXIF_IFD, GPS_IFD = 0x0112, 0x010F, 0x0110, 0x8769, 0x8825


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """uint8 [H, W, 3], every pixel different."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
    """uint8 [H, W, 3], smooth at every scale like a photograph, so that JPEG keeps it nearly exactly."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for octave in range(2, 7):
        coarse = rng.normal(size=(2**octave, 2**octave, 3))
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) / octave
    total -= total.min()
    return (total / total.max() * 255).astype(np.uint8)


def encode(pixels: np.ndarray, form: str = "JPEG", exif: Image.Exif | None = None, **options) -> bytes:
    """Bytes of a picture written by Pillow."""
    stream = io.BytesIO()
    if exif is not None:
        options["exif"] = exif.tobytes() if form in ("HEIF", "TIFF") else exif
    if form == "JPEG":
        options.setdefault("quality", 95)
    Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


def exif_of(main: dict | None = None, details: dict | None = None, gps: dict | None = None) -> Image.Exif:
    exif = Image.Exif()
    exif.update(main or {})
    exif.get_ifd(EXIF_IFD).update(details or {})
    exif.get_ifd(GPS_IFD).update(gps or {})
    return exif


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """What EXIF says each orientation looks like, spelled out (Exif 3.0, 4.6.5.1.6)."""
    return {
        1: lambda p: p,
        2: np.fliplr,
        3: lambda p: np.rot90(p, 2),
        4: np.flipud,
        5: lambda p: p.swapaxes(0, 1),
        6: lambda p: np.rot90(p, -1),
        7: lambda p: np.rot90(p.swapaxes(0, 1), 2),
        8: lambda p: np.rot90(p, 1),
    }[orientation](pixels)
