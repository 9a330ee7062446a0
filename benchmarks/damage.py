"""How many damaged photographs are found, and how wrong are those that are not.

usage: python benchmarks/damage.py PHOTOS

Four photographs of the folder are written in many formats and damaged at random places: holes of 2 to 32 kB, another
file's tail, cuts, repetitions, flipped bits. Printed are, of each kind, the files found; the files taken with more than
1 % of their pixels wrong by more than 8 grey levels; and the files taken with fewer. Last comes what ingest costs.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from e2e3d.config.ingest import IngestConfig
from e2e3d.data.ref import Ref
from e2e3d.errors import InputError
from e2e3d.ops.photos.decoding import decode_photo
from e2e3d.stages.ingest import STAGE, IngestFile, IngestInputs
from e2e3d.stages.stage import RunContext

SIZE = (1200, 800)
ROUNDS = 6
KINDS = ("zeros", "random", "tail", "truncated", "cut out", "twice", "1 bit", "8 bits", "64 bits")
FORMATS = {
    "JPEG baseline": ("JPEG", {"quality": 92}),
    "JPEG progressive": ("JPEG", {"quality": 92, "progressive": True}),
    "JPEG restarts by row": ("JPEG", {"quality": 92, "restart_marker_rows": 1}),
    "JPEG restarts by 8 blocks": ("JPEG", {"quality": 90, "restart_marker_blocks": 8}),
    "PNG": ("PNG", {"compress_level": 3}),
    "TIFF uncompressed": ("TIFF", {}),
    "TIFF LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "TIFF deflated": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "TIFF JPEG": ("TIFF", {"compression": "jpeg"}),
    "WebP": ("WEBP", {"quality": 92}),
    "WebP lossless": ("WEBP", {"lossless": True, "method": 0}),
    "HEIC": ("HEIF", {"quality": 85}),
}


def damaged(data: bytes, other: bytes, kind: str, rng: np.random.Generator) -> bytes:
    """The file with one damage behind its first kilobyte."""
    end = len(data) - 200
    length = int(min(rng.integers(2048, 32768), (end - 1000) // 2))
    at = int(rng.integers(1000, end - length))
    if kind.endswith(("bit", "bits")):
        flipped = bytearray(data)
        for place in rng.integers(1000, end, int(kind.split()[0])):
            flipped[place] ^= 1 << int(rng.integers(8))
        return bytes(flipped)
    if kind in ("tail", "truncated"):
        return data[:at] + (other[at:] if kind == "tail" else b"")
    hole = {"zeros": bytes(length), "random": rng.bytes(length), "cut out": b"", "twice": 2 * data[at : at + length]}
    return data[:at] + hole[kind] + data[at + length :]


def encoded(picture: Image.Image, form: str, options: dict[str, object]) -> bytes:
    """The picture as a file of a format."""
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def outcome(data: bytes, original: NDArray[np.uint8]) -> str:
    """`found`, or how wrong it is."""
    with contextlib.suppress(InputError):
        pixels = decode_photo(data).image
        if pixels.shape != original.shape:
            return "wrong"
        wrong = (np.abs(pixels.astype(np.int16) - original).max(axis=2) > 8).mean()
        return "wrong" if wrong > 0.01 else "nearly right"
    return "found"


def ingest_ms(paths: list[Path]) -> float:
    """Processor time of a photograph's ingest, the best of three."""
    units = [IngestInputs((IngestFile(path.name, Ref.of(path.read_bytes())),)) for path in paths]
    times = []
    for _ in range(3):
        start = time.process_time()
        for unit in units:
            STAGE.run(unit, IngestConfig(), RunContext())
        times.append(time.process_time() - start)
    return 1000 * min(times) / len(paths)


def main() -> None:
    """Print one line a format."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    paths = [path for path in sorted(Path(sys.argv[1]).iterdir()) if path.suffix.lower() in (".jpg", ".jpeg")][:4]
    pictures = [Image.open(path).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS) for path in paths]
    print("found / taken with > 1 % wrong / taken with less".ljust(28), *(f"{kind:>12}" for kind in KINDS))
    for name, (form, options) in FORMATS.items():
        files = [encoded(picture, form, options) for picture in pictures]
        rng = np.random.default_rng(0)
        counts: Counter[tuple[str, str]] = Counter()
        for i, data in enumerate(files):
            original = decode_photo(data).image
            for kind in KINDS:
                for _ in range(ROUNDS):
                    counts[kind, outcome(damaged(data, files[i - 1], kind, rng), original)] += 1
        cells = (" / ".join(str(counts[kind, end]) for end in ("found", "wrong", "nearly right")) for kind in KINDS)
        print(f"{name:28}", *(f"{cell:>12}" for cell in cells), flush=True)
    print(f"ingest: {ingest_ms(paths):.1f} ms a photograph as it is")


if __name__ == "__main__":
    main()
