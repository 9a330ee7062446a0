"""Frames of uploaded videos: what becomes of the work when nobody wants it any more, and of its memory."""

from __future__ import annotations

import io
import resource
from pathlib import Path

import pytest

from e2e3d.service.intake import video_frames
from e2e3d.service.intake.video_frames import frames_of_video, is_video
from tests.ops.photos.test_video import pan, write_video


def test_videos_are_known_by_their_names() -> None:
    assert all(is_video(name) for name in ("a.mp4", "day 1/B.MOV", "c.webm"))
    assert not any(is_video(name) for name in ("a.jpg", "mp4", "a.mp4.zip"))


def test_work_that_is_no_longer_wanted_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_frames, "_POLL_S", 0.01)
    data = write_video(tmp_path / "walk.mp4", pan(range(0, 480, 8))).read_bytes()
    answers = iter([True, False])
    assert frames_of_video("walk.mp4", io.BytesIO(data), tmp_path, lambda: next(answers)) is None
    assert next(answers, None) is None
    assert not (tmp_path / video_frames.FRAMES_FOLDER).exists()


def test_a_long_video_is_copied_in_blocks(tmp_path: Path) -> None:
    class Endless(io.RawIOBase):
        """300 MB of nothing."""

        left = 300_000_000

        def read(self, size: int = -1) -> bytes:
            count = min(size, self.left)
            self.left -= count
            return bytes(count)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    blocks = []
    done = frames_of_video("walk.mp4", Endless(), tmp_path, lambda: blocks.append(1) or len(blocks) < 280)  # type: ignore[arg-type, func-returns-value]
    assert done is None
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1000 < 20
