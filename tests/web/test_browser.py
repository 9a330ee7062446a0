"""The page in a real browser, on the real service: from photographs to a model that turns, without complaint."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import open3d as o3d
import pycolmap
import pytest

from e2e3d.serve.web_page import FOLDER
from scripts.build_web import WEB, find_node
from tests.running_service import EMAIL, PASSWORD, RunningService, patience_s

FIRST_LOAD_BYTES = 250_000
JOB_S = 600.0
PLACES_PX = ((250.0, 420.0), (440.0, 410.0), (90.0, 380.0))


@pytest.fixture(scope="module")
def seen(sample_set: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the browser saw on the whole way."""
    node, chromium = find_node(), shutil.which("chromium")
    if not (FOLDER / "index.html").is_file() or node is None:
        pytest.skip("the page is not built: run `make web`")
    if chromium is None:
        pytest.skip("there is no chromium")
    service = RunningService(tmp_path_factory.mktemp("service"), E2E3D_WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8")
    job_s = patience_s(JOB_S)
    truth = json.dumps(truth_of(sample_set))
    wanted = {
        "TRUTH": truth,
        "URL": service.url,
        "EMAIL": EMAIL,
        "PASSWORD": PASSWORD,
        "CHROMIUM": chromium,
        "JOB_S": str(job_s),
    }
    try:
        service.start()
        done = subprocess.run(
            [node.folder / "node", "e2e/whole_way.mjs"],
            cwd=WEB,
            env=os.environ | wanted | {"PHOTOS": str(sample_set / "images")},
            capture_output=True,
            text=True,
            timeout=2 * job_s + 600,
        )
    finally:
        service.kill()
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def truth_of(sample_set: Path) -> dict[str, Any]:
    """Places whose distances are exact: what a photograph of the sample set sees at three of its pixels."""
    cameras = pycolmap.Reconstruction(sample_set / "gt_model")
    surface = o3d.t.geometry.RaycastingScene()
    surface.add_triangles(
        o3d.t.geometry.TriangleMesh.from_legacy(o3d.io.read_triangle_mesh(str(sample_set / "gt_mesh.ply")))
    )
    images = sorted(cameras.images.values(), key=lambda image: image.name)
    image, pair = images[len(images) // 2], (images[0], images[-1])
    pose, (fx, fy, cx, cy) = image.cam_from_world().matrix(), cameras.cameras[1].params
    rays = np.array([[(x - cx) / fx, (y - cy) / fy, 1.0] for x, y in PLACES_PX])
    directions_world = rays @ pose[:, :3]
    centre_world = np.broadcast_to(image.projection_center(), rays.shape)
    hits = surface.cast_rays(o3d.core.Tensor(np.hstack([centre_world, directions_world]).astype(np.float32)))
    depths = hits["t_hit"].numpy()[:, None]  # the rays have z = 1 in the frame of the camera
    assert np.isfinite(depths).all()
    centres = [each.projection_center() for each in pair]
    return {
        "photograph": image.name,
        "points": (rays * depths).tolist(),
        "pair": [each.name for each in pair],
        "pair_m": float(np.linalg.norm(centres[0] - centres[1])),
    }


pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]


def test_photographs_become_a_model_that_turns(seen: dict[str, Any]) -> None:
    assert "error" not in seen, seen["error"]
    for mode, colours in {
        "textured": 1000,
        "cloud": 1000,
        "confidence": 100,
        "clipped": 100,
        "first": 100,
        "plain": 20,
        "wireframe": 2,
    }.items():
        assert seen[mode]["share"] > 0.005, mode
        assert seen[mode]["colours"] >= colours, mode
    assert (
        len({seen[mode]["hash"] for mode in ("textured", "turned", "plain", "wireframe", "cloud", "confidence")}) == 6
    )
    assert seen["clipped"]["share"] < 0.9 * seen["confidence"]["share"]
    assert str(seen["frustum"]).endswith(".jpg")
    assert seen["downloaded"] == "model.glb"


def test_a_known_length_is_measured(seen: dict[str, Any]) -> None:
    assert seen["measured"]["found"] == pytest.approx(seen["measured"]["known"], rel=0.01)


def test_two_models_are_compared_from_the_same_side(seen: dict[str, Any]) -> None:
    first, second = seen["compared"]
    assert first["share"] == pytest.approx(second["share"], rel=0.02)
    assert min(first["colours"], second["colours"]) > 1000


def test_a_shared_model_is_seen_without_an_account(seen: dict[str, Any]) -> None:
    assert seen["shared"]["share"] > 0.005
    assert seen["shared"]["colours"] > 1000
    assert seen["shared"]["violations"] == []
    assert seen["violations_password"] == []
    assert seen["shared"]["picture"] == [720, 540]


def test_a_phone_is_handed_the_model_for_the_room(seen: dict[str, Any]) -> None:
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(seen["shared"]["usdz"]))) as archive:
        files = archive.infolist()
        assert files[0].filename.endswith(".usda")
        assert all(each.compress_type == zipfile.ZIP_STORED for each in files)  # USDZ is read in place
        assert any(each.filename.endswith((".png", ".jpg")) for each in files)
        assert b'upAxis = "Y"' in archive.read(files[0])


def test_nothing_is_complained_of(seen: dict[str, Any]) -> None:
    assert seen["complaints"] == []


def test_every_page_is_accessible(seen: dict[str, Any]) -> None:
    assert seen["violations"] == {}


def test_the_first_load_is_small(seen: dict[str, Any]) -> None:
    assert 0 < seen["script_bytes"] <= FIRST_LOAD_BYTES
