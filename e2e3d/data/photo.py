"""A photograph as it came in: who it is, what camera took it, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class GpsPosition:
    """A WGS84 position, as the photograph states it.

    Attributes:
        altitude_m: None where the photograph states none, or an impossible one.
        horizontal_accuracy_m: one standard deviation, where it is stated; `vertical_accuracy_m` likewise.
        doubts: what is wrong with the statement: ``no-latitude-letter`` and ``no-longitude-letter`` (read as N and E),
            ``swapped`` (a latitude beyond 90 degrees: taken for the longitude), ``impossible-altitude``.
    """

    latitude_deg: float
    longitude_deg: float
    altitude_m: float | None
    horizontal_accuracy_m: float | None = None
    vertical_accuracy_m: float | None = None
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class CameraAttitude:
    """How the camera was held, by its own instruments; None where they don't say.

    Attributes:
        yaw_deg: direction of view (of the picture's top when it looks straight down), clockwise from north.
        pitch_deg: of the direction of view above the horizon; -90 looks straight down.
        roll_deg: of the camera about its direction of view, positive when its right side is lower.
    """

    yaw_deg: float | None = None
    pitch_deg: float | None = None
    roll_deg: float | None = None


@dataclass(frozen=True)
class CameraGuess:
    """What is known of the camera before calibration.

    Attributes:
        group: photographs with the same group share intrinsics (physical camera, size, focal length).
        focal_px: focal length in pixels of the EXIF-oriented photograph, or a guess of it.
        focal_source: ``intrinsics`` (given by the user, kept fixed), ``exif`` or ``guess``.
        intrinsics_px: (fx, fy, cx, cy) when the user gave them; the photograph then has no lens distortion.
    """

    group: str
    focal_px: float
    focal_source: str
    intrinsics_px: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class PhotoProblem:
    """One finding of a check. `fatal` problems keep the photograph out of the reconstruction."""

    code: str
    message: str
    fatal: bool


@dataclass(frozen=True)
class Photo:
    """One checked photograph. Sizes are after EXIF orientation is applied; so is every pixel position elsewhere.

    Attributes:
        name: unique posix path inside the input, such as ``day1/IMG_0042.JPG``.
        sha256: of the bytes of the file; they are kept in the store as ``blob/<sha256>``.
        mask_sha256: of a mask image of its own (non-zero = use), None without one; an alpha channel stays inside the
            photograph's own bytes and is reported by `has_alpha`.
        sharpness: variance of the Laplacian at a fixed working size; comparable inside one set.
        exposure: mean luminance in [0, 1].
        thumbprint: 64-bit perceptual hash in hexadecimal, equal for near duplicates.
        white_level: of files of 16 bits, the sample that is white, since cameras use 10, 12 or 14 of them; after review
            the same in all photographs of a camera. None of 8 bits.
    """

    name: str
    sha256: str
    width_px: int
    height_px: int
    camera: CameraGuess | None
    gps: GpsPosition | None = None
    taken_at: str | None = None
    mask_sha256: str | None = None
    has_alpha: bool = False
    sharpness: float = 0.0
    exposure: float = 0.0
    thumbprint: str = ""
    white_level: int | None = None
    problems: tuple[PhotoProblem, ...] = ()
    attitude: CameraAttitude | None = None

    @property
    def usable(self) -> bool:
        """Whether the photograph takes part in the reconstruction."""
        return not any(problem.fatal for problem in self.problems)


@dataclass(frozen=True, eq=False)
class PhotoMask:
    """Which pixels of a photograph to use: bool [H, W], True = use, at any size of the photograph's aspect."""

    usable: NDArray[np.bool_]


@dataclass(frozen=True)
class PhotoBlock:
    """The photographs of one ingest unit, in input order."""

    photos: tuple[Photo, ...]


@dataclass(frozen=True, eq=False)
class VideoFrames:
    """Frames chosen from a video, as the bytes of JPEG files.

    Attributes:
        names: file name of each frame, ``<video>_<frame number>.jpg``, in order of time.
        times_s: float64 [N], from the start of the video.
        data: uint8 [B], the files one after another; frame i is ``data[offsets[i]:offsets[i + 1]]``.
        offsets: int64 [N + 1].
    """

    names: tuple[str, ...]
    times_s: NDArray[np.float64]
    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
