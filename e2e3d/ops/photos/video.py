"""Choose the frames of a video worth reconstructing from: the sharpest ones, spaced by how far the picture moved.

Motion is the median displacement of corners tracked by pyramidal Lucas-Kanade (Bouguet, 2001) against a reference frame
that is renewed only after a real displacement, so that shake and noise of a camera at rest do not add up to motion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.errors import InputError

SHARPNESS_SIZE_PX = 640
MOTION_SIZE_PX = 320
MIN_MOTION = 0.03
"""Share of the longest side below which a displacement is shake; a video that never exceeds it shows one picture."""

_SAMPLES_PER_S = 12.0
_FEW_SAMPLES = 24
_MANY_SAMPLES = 240
_LONGEST_PAUSE_S = 10.0
_MIN_TRACKED = 12
_LOST_MOTION = 0.1
_WINDOW = 0.35
_HINT = "Play it in a video player; if it plays, convert it to mp4 (H.264) and try again."


@dataclass(frozen=True)
class FrameTrack:
    """What the first look at a video found, for S sampled frames.

    Attributes:
        index: int64 [S], frame numbers; `time_s` float64 [S].
        position: float64 [S], path of the picture since the first frame, in shares of the longest side, never falling.
        sharpness: float64 [S], variance of the Laplacian at a fixed size.
    """

    index: NDArray[np.int64]
    time_s: NDArray[np.float64]
    position: NDArray[np.float64]
    sharpness: NDArray[np.float64]


def track_video(path: Path, name: str) -> FrameTrack:
    """Look at a dozen frames a second: how far the picture has moved, and how sharp it is.

    Seconds are those of the frames' own times, which need not be even. Where they give hardly a frame, the video is
    short or its times are wrong (of a high-speed camera, or in units of the container), and frames are counted.

    Raises:
        InputError: ``video-unreadable`` when it does not open or has no frame.
    """
    track, frames = _track(_frames(path, name, _Every(1 / _SAMPLES_PER_S)), name)
    if len(track.index) >= _FEW_SAMPLES or frames == len(track.index):
        return track
    stride = -(-frames // _MANY_SAMPLES)
    return _track(_frames(path, name, lambda number, _: number % stride == 0), name)[0]


def _track(frames: Iterator[tuple[int, float, NDArray[np.uint8] | None]], name: str) -> tuple[FrameTrack, int]:
    """What the frames show, and how many the video has; frames without pixels are only counted."""
    count = 0
    index: list[int] = []
    times: list[float] = []
    position: list[float] = []
    sharpness: list[float] = []
    base = 0.0
    reference: NDArray[np.uint8] | None = None
    corners: NDArray[np.float32] | None = None
    for number, time_s, frame in frames:
        count = number + 1
        if frame is None:
            continue
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        measured = _reduced(grey, SHARPNESS_SIZE_PX)
        small = _reduced(grey, MOTION_SIZE_PX)
        moved = 0.0 if reference is None else _displacement(reference, corners, small)
        index.append(number)
        times.append(time_s)
        sharpness.append(float(cv2.Laplacian(measured, cv2.CV_16S).std()) ** 2)
        position.append(max(base + moved, position[-1] if position else 0.0))
        if reference is None or moved > MIN_MOTION or corners is None:
            base, reference = position[-1], small
            corners = cv2.goodFeaturesToTrack(small, 200, 0.01, 7)
    if not index:
        raise InputError("video-unreadable", f"{name} has no frame that can be decoded.", _HINT)
    return FrameTrack(np.array(index), np.array(times), np.array(position), np.array(sharpness)), count


def choose_frames(track: FrameTrack, spacing: float, min_frames: int, max_frames: int) -> NDArray[np.int64]:
    """Rows of `track` to keep: for each step of motion the sharpest frame near it.

    Args:
        track: what :func:`track_video` found.
        spacing: wanted motion from one frame to the next, in shares of the longest side; widened to
            keep `max_frames`, and narrowed for `min_frames`.
        min_frames: as many frames are tried for.
        max_frames: not more are kept.

    Returns:
        int64 [K] rows, rising.
    """
    total = float(track.position[-1])
    step = min(max(spacing, total / max(max_frames - 1, 1)), max(total / max(min_frames - 1, 1), 1e-9))
    chosen: list[int] = []
    for target in np.arange(0.0, total + step / 2, step):
        distance = np.abs(track.position - target)
        near = np.flatnonzero(distance <= _WINDOW * step)
        row = int(near[np.argmax(track.sharpness[near])]) if near.size else int(np.argmin(distance))
        if not chosen or row > chosen[-1]:
            chosen.append(row)
    return np.array(chosen[:max_frames], np.int64)


def encode_frames(path: Path, name: str, numbers: NDArray[np.int64], jpeg_quality: int) -> list[bytes]:
    """Decode the frames with these numbers (int64 [K], rising), upright, as JPEG files.

    Raises:
        InputError: ``video-unreadable`` when the video no longer gives them.
    """
    wanted = set(numbers.tolist())
    files = []
    for _, _, frame in _frames(path, name, lambda number, _: number in wanted, int(numbers[-1])):
        if frame is None:
            continue
        options = [
            cv2.IMWRITE_JPEG_QUALITY,
            jpeg_quality,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        ]
        files.append(bytes(cv2.imencode(".jpg", frame, options)[1]))
    if len(files) != len(wanted):
        raise InputError("video-unreadable", f"{name} cannot be decoded twice alike.", _HINT)
    return files


class _Every:
    """Chooses the first frame of each interval of time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next_s = 0.0

    def __call__(self, number: int, time_s: float) -> bool:
        if time_s < self._next_s - 1e-3:  # containers round to milliseconds
            return False
        self._next_s = max(self._next_s, time_s - self._seconds) + self._seconds
        return True


def _frames(
    path: Path, name: str, keep: Callable[[int, float], bool], last: int | None = None
) -> Iterator[tuple[int, float, NDArray[np.uint8] | None]]:
    """Number, time in seconds and upright BGR pixels of the frames up to `last`; no pixels of those not to keep."""
    capture = _open(path, name)
    try:
        number, time_s, frame_s = 0, 0.0, _frame_duration(capture)
        while (last is None or number <= last) and capture.grab():
            stated_s = float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
            if number:  # some containers state no times, or wrong ones
                time_s = stated_s if time_s < stated_s < time_s + _LONGEST_PAUSE_S else time_s + frame_s
            decoded, frame = capture.retrieve() if keep(number, time_s) else (False, None)
            yield number, time_s, frame if decoded else None
            number += 1
    finally:
        capture.release()


def _open(path: Path, name: str) -> Any:
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        capture.release()
        raise InputError("video-unreadable", f"{name} is no video, is damaged, or has an unknown format.", _HINT)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


def _frame_duration(capture: Any) -> float:
    fps = float(capture.get(cv2.CAP_PROP_FPS))
    return 1 / fps if 1.0 <= fps <= 1000.0 else 1 / 30  # files that state none say 0, or the time base


def _displacement(reference: NDArray[np.uint8], corners: NDArray[np.float32] | None, grey: NDArray[np.uint8]) -> float:
    """Median displacement of the reference's corners in `grey`, as a share of the longest side; 0 without corners."""
    if corners is None:
        return 0.0
    tracked, status, _ = cv2.calcOpticalFlowPyrLK(reference, grey, corners, None, winSize=(15, 15), maxLevel=3)
    found = status.ravel() == 1
    if found.sum() < min(_MIN_TRACKED, len(corners) / 2):
        return _LOST_MOTION
    shifts = np.asarray(tracked - corners, np.float64).reshape(-1, 2)[found]
    return float(np.median(np.hypot(shifts[:, 0], shifts[:, 1]))) / float(max(grey.shape))


def _reduced(grey: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    scale = min(1.0, size_px / max(grey.shape))
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
