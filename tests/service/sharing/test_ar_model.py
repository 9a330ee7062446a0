"""The model for a room: the same bytes of the surface, y up, in metres, on the ground."""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest
import trimesh
from sqlalchemy import update

from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.ops.formats.glb import write_glb
from e2e3d.service.results.tables import ResultRow
from e2e3d.service.sharing import routes
from e2e3d.service.sharing.ar_model import stood_in_room, up_of
from tests.service.api import Api
from tests.service.sharing.test_sharing import MODEL, Owner, address

LOW, HIGH = (10.0, 20.0, 30.0), (12.0, 24.0, 38.0)


def glb() -> bytes:
    """A box of 2 x 4 x 8."""
    box = trimesh.creation.box(bounds=(LOW, HIGH))
    faces = np.asarray(box.faces, np.int32)
    zeros = np.zeros(len(faces), np.int32)
    vertices = np.asarray(box.vertices, np.float32)
    mesh = Mesh(vertices, np.zeros((len(vertices), 3), np.uint8), faces)
    page = np.full((8, 8, 3), 200, np.uint8)
    file = io.BytesIO()
    write_glb(file, TexturedMesh(mesh, np.zeros((len(faces), 3, 2), np.float32), zeros, zeros, (page,)), [b"jpeg"])
    return file.getvalue()


def bounds(content: bytes) -> np.ndarray:
    """Of the scene in its own frame, float [2, 3]; the picture is no real one, so it is left out."""
    length = struct.unpack_from("<I", content, 12)[0]
    document = json.loads(content[20 : 20 + length])
    (root,) = document["scenes"][document["scene"]]["nodes"]
    node = document["nodes"][root]
    corners = np.array([[x, y, z] for x in (LOW[0], HIGH[0]) for y in (LOW[1], HIGH[1]) for z in (LOW[2], HIGH[2])])
    x, y, z, w = node["rotation"]
    turned = trimesh.transformations.quaternion_matrix([w, x, y, z])[:3, :3]
    placed = np.array(node["scale"]) * corners @ turned.T + node["translation"]
    return np.stack([placed.min(axis=0), placed.max(axis=0)])


@pytest.mark.parametrize(
    ("up", "frame", "size"),
    [
        ((0, 0, 1), "metric", (2, 8, 4)),
        ((0, 0, 1), "upright", (0.25, 1, 0.5)),
        ((0, -1, 0), "arbitrary", (0.25, 0.5, 1)),
        ((0, 1, 0), "georeferenced", (2, 4, 8)),
    ],
)
def test_it_stands_on_the_ground_over_the_origin(up: tuple[float, ...], frame: str, size: tuple[float, ...]) -> None:
    before = glb()
    after = b"".join(stood_in_room(before, up, frame))
    low, high = bounds(after)
    assert high - low == pytest.approx(size, abs=1e-6)
    assert low[1] == pytest.approx(0, abs=1e-6)
    assert (low + high)[[0, 2]] == pytest.approx([0, 0], abs=1e-6)
    assert struct.unpack_from("<4sII", after) == (b"glTF", 2, len(after))
    binary = before[20 + struct.unpack_from("<I", before, 12)[0] :]
    assert after.endswith(binary)


def test_up_is_where_the_tops_of_photographs_are_unless_the_frame_says() -> None:
    rows = [[1, 0, 0, 9], [0, 0, -1, 9], [0, 1, 0, 9]]  # y of the camera, which points down, is -z of the model
    assert up_of({"frame": "arbitrary", "images": [{"cam_from_world": rows}]}) == (0, 0, 1)
    tilted = [[1, 0, 0, 9], [0, -1, 0, 9], [0, 0, -1, 9]]
    assert up_of({"frame": "arbitrary", "images": [{"cam_from_world": tilted}]}) == (0, 1, 0)
    assert up_of({"frame": "metric", "images": [{"cam_from_world": tilted}]}) == (0, 0, 1)
    assert up_of({}) == (0, 0, 1)


def test_visitors_get_it_and_no_password_is_passed_by(embedded_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner(embedded_api)
    content = glb()
    owner.api.services.files.put(f"results/{owner.job_id}/model.glb", content)
    with owner.api.services.database.session() as session:
        session.execute(update(ResultRow).where(ResultRow.path == "model.glb").values(bytes=len(content)))
    share, locked = owner.share(), owner.share(password="secret")
    answer = owner.api.client.get(f"{address(share)}/ar/model.glb")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "model/gltf-binary")
    assert bounds(answer.content)[1][1] == pytest.approx(1)  # upright, of unknown size
    assert owner.api.client.get(f"{address(locked)}/ar/model.glb").status_code == 401
    monkeypatch.setattr(routes, "_AR_BYTES", len(MODEL))
    assert owner.api.client.get(f"{address(share)}/ar/model.glb").json()["code"] == "too-large-for-ar"
