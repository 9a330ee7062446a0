"""Settings of the choice of frames of a video."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds
from e2e3d.config.workload import Cost, Workload
from e2e3d.errors import SettingsError

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".3gp", ".3g2", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv"}
)
"""How the names of videos end."""


@dataclass(frozen=True)
class FramesConfig:
    """Settings of the choice of frames.

    Attributes:
        spacing: motion from one frame to the next, as a share of the longest side of the picture.
        min_frames: a slow video is sampled more densely to give as many.
        max_frames: a long video is sampled more sparsely to give not more.
        jpeg_quality: of the frames, 95 to 100.
    """

    spacing: float = bounded(0.08, 0.005, 1)
    min_frames: int = bounded(20, 3, 2000)
    max_frames: int = bounded(120, 3, 2000)
    jpeg_quality: int = bounded(97, 95, 100)

    def __post_init__(self) -> None:
        check_bounds(self, "frames")
        if self.min_frames > self.max_frames:
            raise SettingsError(
                "bad-setting",
                f"frames.min_frames is {self.min_frames} and frames.max_frames {self.max_frames}.",
                "min_frames <= max_frames must hold.",
            )


def frames_cost(work: Workload, config: FramesConfig) -> Cost:
    """Of choosing frames of a video, which is read in parts."""
    return Cost(memory_bytes=1.5e9, alone=True)
