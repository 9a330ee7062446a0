"""Photographing with the page: a fake camera that plays views of the sample scene, online and offline, up to a job."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from e2e3d.ops.sample.sample_scene import build_sample_scene, look_at
from tests.live import live_service
from tests.web.scripts_of_browser import seen_by

SIZE_PX, FRAMES, SPAN_DEG = (640, 480), 80, 70.0


def write_video(path: Path) -> None:
    """A walk around the sample scene, there and back, as Chromium's fake camera plays it (30 pictures a second)."""
    scene = build_sample_scene(120)
    (width, height), focal_px = SIZE_PX, 620.0
    frames = []
    for angle in np.radians(-90 + SPAN_DEG * (np.arange(FRAMES) / (FRAMES - 1) - 0.5)):
        centre = np.array([5.2 * np.cos(angle), 5.2 * np.sin(angle), 2.0])
        pose = look_at(centre, np.array([0.0, 0.1, 1.05]))
        view = scene.render((focal_px, focal_px, width / 2, height / 2), pose, width, height, 1)
        frames.append(cv2.imencode(".jpg", view.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
    path.write_bytes(b"".join(frame * 3 for frame in [*frames, *frames[::-1]]))  # ten different ones a second


pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "walk.mjpeg"
    write_video(path)
    return path


@pytest.mark.parametrize(
    ("script", "least"),
    [pytest.param("capturing.mjs", 6, marks=pytest.mark.operations), ("capturing_signed_out.mjs", 2)],
)
def test_frames_of_a_camera_become_a_set(tmp_path: Path, video: Path, script: str, least: int) -> None:
    """Online, offline and to a job; and before anybody has signed in."""
    with live_service(tmp_path / "home") as live:
        seen = seen_by(script, timeout_s=240, URL=live.url, VIDEO=str(video))
        sent = [route for method, route in live.requests if method == "POST" and route.endswith("/uploads")]
    assert len(sent) == seen["taken"] >= least, "every photograph is sent, and none twice"
