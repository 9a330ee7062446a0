"""Photographs of a real flight whose GPS tags were spoilt: the model stands right, and what is wrong is said."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e2e3d.config.presets import configure
from e2e3d.data.scene import Scene
from e2e3d.ops.geo.scene_frame import place_scene
from e2e3d.ops.photos.decoding import open_photo
from e2e3d.ops.photos.exif import read_tags
from e2e3d.ops.poses import camera_centres
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.pipeline import check_photos, find_matches, map_cameras
from e2e3d.pipeline.sources.source_set import read_source
from e2e3d.storage.store import ArtifactStore

pytestmark = pytest.mark.slow

PLACE = (46.8427, -91.994)
STRIP = 6
Spoil = Callable[[int, dict[int, Any]], None]


@pytest.fixture(scope="module")
def flight(shared_data: Path, tmp_path_factory: pytest.TempPathFactory):
    """Places the first photographs of the flight with their GPS tags changed; cameras are computed once without."""
    folder, store = tmp_path_factory.mktemp("flight"), tmp_path_factory.mktemp("store")
    originals = sorted((shared_data / "brighton" / "images").iterdir())
    for path in originals:
        picture = Image.open(path)
        exif = picture.getexif().tobytes()
        picture = picture.convert("RGB")
        picture.thumbnail((1000, 1000))
        picture.save(folder / path.name, quality=92, exif=exif)
    config = configure("preview", {})
    run = InProcessExecutor(ArtifactStore(str(store)), device="cpu")
    photos = check_photos(read_source(folder, run, None, config.frames), None, config, run)
    found, matches = find_matches(photos, False, config, run)

    bare = [replace(photo, gps=None, attitude=None) for photo in photos]
    scenes = {len(photos): map_cameras(bare, None, None, None, config, run, found, matches).load().scene}
    few = find_matches(bare[:STRIP], False, config, run)[1]
    scenes[STRIP] = map_cameras(bare[:STRIP], None, None, None, config, run, found[:STRIP], few).load().scene

    def placed(spoil: Spoil, count: int, attitudes: bool) -> Scene:
        spoilt = [
            replace(photo, gps=tags.gps, attitude=tags.attitude if attitudes else None)
            for i, photo in enumerate(photos[:count])
            for tags in [read_tags(open_photo(_with_gps(folder / photo.name, i, spoil)))]
        ]
        return place_scene(replace(scenes[count], remarks=()), spoilt, None, None)

    return placed


def _with_gps(path: Path, index: int, spoil: Spoil) -> bytes:
    exif = Image.open(path).getexif()
    exif.get_ifd(0x8769)
    spoil(index, exif.get_ifd(0x8825))
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", exif=exif.tobytes())
    return buffer.getvalue()


def drop_letters(_: int, gps: dict[int, Any]) -> None:
    gps.pop(1)
    gps.pop(3)


def wrong_hemisphere(_: int, gps: dict[int, Any]) -> None:
    gps[3] = "E"


def exchange(_: int, gps: dict[int, Any]) -> None:
    gps[2], gps[4] = gps[4], gps[2]


def wild(index: int, gps: dict[int, Any]) -> None:
    if index == 3:
        gps[2] = (12.0, 0.0, 0.0)
    if index == 7:
        gps[6] = 4294967295


def climb(index: int, gps: dict[int, Any]) -> None:
    gps[6] = float(gps[6]) + 6.5 * index


def as_it_is(_: int, gps: dict[int, Any]) -> None:
    del gps


@pytest.mark.parametrize("attitudes", [True, False])
@pytest.mark.parametrize(
    ("spoil", "count", "said"),
    [
        (as_it_is, 18, set()),
        (as_it_is, STRIP, set()),
        (drop_letters, 18, {"gps-reading-mended"}),
        (wrong_hemisphere, 18, {"gps-reading-mended"}),
        (exchange, 18, {"gps-reading-mended"}),
        (wild, 18, {"gps-outlier", "gps-impossible-height"}),
        (climb, 18, {"gps-heights-unusable"}),
    ],
)
def test_a_flight_stands_where_it_was(flight, spoil: Spoil, count: int, said: set[str], attitudes: bool) -> None:
    scene = flight(spoil, count, attitudes)
    assert {remark.code for remark in scene.remarks} == said
    assert scene.frame == "georeferenced"
    np.testing.assert_allclose(scene.georeference.origin[:2], PLACE, atol=5e-4)
    ahead = np.array([image.cam_from_world[2, :3] for image in scene.images]).mean(axis=0)
    assert ahead[2] < -np.cos(np.radians(3))
    steps = np.linalg.norm(np.diff(camera_centres(scene)[:6], axis=0), axis=1)
    np.testing.assert_allclose(steps.mean(), 13.6, rtol=0.03)
