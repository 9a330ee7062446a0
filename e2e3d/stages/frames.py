"""Frames: a video becomes photographs, the sharpest frames spaced by motion."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from e2e3d.config.frames import FramesConfig, frames_cost
from e2e3d.data.photo import VideoFrames
from e2e3d.data.ref import Ref
from e2e3d.errors import InputError
from e2e3d.ops.photos.video import MIN_MOTION, choose_frames, encode_frames, track_video
from e2e3d.stages.stage import RunContext, Stage


@dataclass(frozen=True)
class FramesInputs:
    """A video: its file name, after which the frames are named, and a view of its bytes, which may not fit memory."""

    name: str
    video: Ref[memoryview]


def run(inputs: FramesInputs, config: FramesConfig, context: RunContext) -> VideoFrames:
    """Track the video, choose, and encode what was chosen.

    Raises:
        InputError: ``video-unreadable``; ``video-still`` when the picture hardly moves.
    """
    with tempfile.TemporaryDirectory(prefix="e2e3d-video-") as folder:
        path = Path(folder, "video" + PurePosixPath(inputs.name).suffix)  # decoders read files only
        path.write_bytes(inputs.video.load())
        return frames_of_file(path, inputs.name, config)


def frames_of_file(path: Path, name: str, config: FramesConfig) -> VideoFrames:
    """The frames of the video at `path`, which its owner calls `name`; errors as :func:`run`."""
    track = track_video(path, name)
    if track.position[-1] < MIN_MOTION:
        raise InputError(
            "video-still",
            f"{name} shows one picture: it moves by {track.position[-1]:.1%} of its size.",
            "Walk around the object while filming.",
        )
    rows = choose_frames(track, config.spacing, config.min_frames, config.max_frames)
    numbers = track.index[rows]
    files = encode_frames(path, name, numbers, config.jpeg_quality)
    return VideoFrames(
        names=tuple(f"{PurePosixPath(name).stem}_{number:06d}.jpg" for number in numbers),
        times_s=track.time_s[rows],
        data=np.frombuffer(b"".join(files), np.uint8),
        offsets=np.cumsum([0, *map(len, files)], dtype=np.int64),
    )


STAGE = Stage(
    name="frames",
    version=2,
    config=FramesConfig,
    output=VideoFrames,
    run=run,
    cost=frames_cost,
)
