"""Every format is read back by the third-party reader that users have, and compared number by number."""

import io
import json
import shutil
import subprocess
from pathlib import Path

import cv2
import laspy
import numpy as np
import open3d as o3d
import pyproj
import pytest
import trimesh

from e2e3d.data.dense import PointCloud
from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.data.scene import Camera, Georeference, Scene, SceneImage
from e2e3d.ops.formats.cameras_json import cameras_document
from e2e3d.ops.formats.corners import primitives_of, unique_uv, vertex_normals
from e2e3d.ops.formats.glb import write_glb
from e2e3d.ops.formats.laz import write_cloud_laz
from e2e3d.ops.formats.obj import material_library, write_obj
from e2e3d.ops.formats.pictures import encode_float_tiff, encode_jpeg, encode_png16
from e2e3d.ops.formats.ply import write_cloud_ply, write_mesh_ply

ORIGIN = Georeference((47.3769, 8.5417, 450.0), 32632, (465_408.0, 5_247_095.0, 450.0), 0.4)


def random_cloud(count: int = 500) -> PointCloud:
    rng = np.random.default_rng(3)
    normals = rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return PointCloud(
        points_world=rng.uniform(-20, 20, (count, 3)).astype(np.float32),
        normals_world=normals.astype(np.float32),
        colors=rng.integers(0, 256, (count, 3), dtype=np.uint8),
        confidence=rng.random(count, dtype=np.float32),
        view_count=rng.integers(2, 40, count).astype(np.uint16),
        footprint=np.full(count, 0.01, np.float32),
        view_offsets=np.zeros(count + 1, np.int64),
        view_indices=np.zeros(0, np.int32),
    )


def textured_tetrahedron() -> TexturedMesh:
    """Four faces on two pages; faces 0 and 1 share an edge inside one chart, the others are charts of their own."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)
    uv = np.array(
        [
            [[0.5, 0.5], [0.9, 0.5], [0.5, 0.9]],
            [[0.5, 0.5], [0.5, 0.9], [0.1, 0.5]],
            [[0.1, 0.1], [0.4, 0.1], [0.1, 0.4]],
            [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]],
        ],
        np.float32,
    )
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    red_right = np.stack([np.tile(ramp, (64, 1)), np.zeros((64, 64), np.uint8), np.tile(ramp[:, None], (1, 64))], -1)
    mesh = Mesh(vertices, np.arange(12, dtype=np.uint8).reshape(4, 3) * 20, faces)
    return TexturedMesh(mesh, uv, np.array([0, 0, 1, 1], np.int32), np.zeros(4, np.int32), (red_right, 255 - red_right))


def glb_bytes(textured: TexturedMesh) -> bytes:
    file = io.BytesIO()
    write_glb(file, textured, [encode_jpeg(page, 95) for page in textured.pages])
    return file.getvalue()


def test_cloud_ply_opens_in_open3d_and_trimesh(tmp_path: Path) -> None:
    cloud = random_cloud()
    path = tmp_path / "dense.ply"
    with path.open("wb") as file:
        write_cloud_ply(file, cloud)
    read = o3d.io.read_point_cloud(str(path))
    assert np.array_equal(np.asarray(read.points), cloud.points_world.astype(float))
    assert np.array_equal(np.asarray(read.normals), cloud.normals_world.astype(float))
    assert np.array_equal(np.round(np.asarray(read.colors) * 255), cloud.colors)
    rows = trimesh.load(path).metadata["_ply_raw"]["vertex"]["data"]
    assert np.array_equal(rows["confidence"].ravel(), cloud.confidence)
    assert np.array_equal(rows["view_count"].ravel(), cloud.view_count)


def test_mesh_ply_opens_in_open3d_and_trimesh(tmp_path: Path) -> None:
    mesh = textured_tetrahedron().mesh
    path = tmp_path / "mesh.ply"
    with path.open("wb") as file:
        write_mesh_ply(file, mesh)
    read = o3d.io.read_triangle_mesh(str(path))
    assert np.array_equal(np.asarray(read.vertices), mesh.vertices_world.astype(float))
    assert np.array_equal(np.asarray(read.triangles), mesh.faces)
    assert np.array_equal(np.round(np.asarray(read.vertex_colors) * 255), mesh.colors)
    assert trimesh.load(path, process=False).is_watertight


def test_laz_holds_projected_coordinates_and_their_system() -> None:
    cloud = random_cloud()
    file = io.BytesIO()
    write_cloud_laz(file, cloud, ORIGIN)
    read = laspy.read(io.BytesIO(file.getvalue()))
    assert read.header.parse_crs().to_epsg() == 32632
    utm = pyproj.Transformer.from_crs("EPSG:32632", "EPSG:4326").transform(read.x, read.y)
    to_ecef = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978")
    ecef = np.stack(to_ecef.transform(utm[0], utm[1], read.z), 1)
    centre = np.array(to_ecef.transform(*ORIGIN.origin))
    lat, lon = np.radians(ORIGIN.origin[:2])
    east = np.array([-np.sin(lon), np.cos(lon), 0])
    up = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    local = (ecef - centre) @ np.stack([east, np.cross(up, east), up], 1)
    assert np.abs(local - cloud.points_world).max() < 1.5e-3
    assert np.array_equal(np.asarray(read.red) // 257, cloud.colors[:, 0])
    assert np.array_equal(np.asarray(read["view_count"]), cloud.view_count)
    assert np.array_equal(np.asarray(read["nz"]), cloud.normals_world[:, 2])


def test_vertices_are_duplicated_at_chart_seams_only() -> None:
    textured = textured_tetrahedron()
    first, second = primitives_of(textured)
    assert len(first.vertex) == 4  # two faces of one chart share an edge
    assert len(second.vertex) == 6
    for primitive, selected in ((first, [0, 1]), (second, [2, 3])):
        assert np.array_equal(primitive.vertex[primitive.faces], textured.mesh.faces[selected])
        assert np.array_equal(primitive.uv[primitive.faces], textured.uv[selected])
    uv, corner_uv = unique_uv(textured)
    assert len(uv) == 10
    assert np.array_equal(uv[corner_uv], textured.uv)


def test_vertex_normals_of_a_sphere_point_outwards() -> None:
    sphere = trimesh.creation.icosphere(subdivisions=3)
    normals = vertex_normals(sphere.vertices.astype(np.float32), sphere.faces.astype(np.int32))
    assert np.einsum("ij,ij->i", normals, sphere.vertices).min() > 0.999
    assert vertex_normals(np.zeros((1, 3), np.float32), np.zeros((0, 3), np.int32)).tolist() == [[0, 0, 1]]


def test_glb_opens_in_trimesh_with_the_right_corner_coordinates() -> None:
    textured = textured_tetrahedron()
    scene = trimesh.load(io.BytesIO(glb_bytes(textured)), file_type="glb", process=False)
    parts = scene.dump()
    assert [len(part.faces) for part in parts] == [2, 2]
    for part, selected, page in zip(parts, ([0, 1], [2, 3]), textured.pages, strict=True):
        assert np.array_equal(part.triangles, textured.mesh.vertices_world[textured.mesh.faces[selected]])
        assert np.allclose(part.visual.uv[part.faces], textured.uv[selected], atol=1e-7)  # trimesh flips v back
        image = np.asarray(part.visual.material.baseColorTexture.convert("RGB"), int)
        assert np.abs(image - page).mean() < 3
        assert part.visual.material.metallicFactor == 0


def test_obj_opens_in_trimesh_and_open3d(tmp_path: Path) -> None:
    textured = textured_tetrahedron()
    with (tmp_path / "model.obj").open("wb") as file:
        write_obj(file, textured, "model.mtl")
    (tmp_path / "model.mtl").write_bytes(material_library(["a.jpg", "b.jpg"]))
    for name, page in zip(("a.jpg", "b.jpg"), textured.pages, strict=True):
        (tmp_path / name).write_bytes(encode_jpeg(page))
    parts = trimesh.load(tmp_path / "model.obj", process=False).dump()
    by_size = {part.visual.material.name: part for part in parts}
    for name, selected in (("page_0", [0, 1]), ("page_1", [2, 3])):
        part = by_size[name]
        assert np.array_equal(part.triangles, textured.mesh.vertices_world[textured.mesh.faces[selected]])
        assert np.allclose(part.visual.uv[part.faces], textured.uv[selected], atol=1e-6)
    read = o3d.io.read_triangle_mesh(str(tmp_path / "model.obj"), enable_post_processing=False)
    assert len(read.triangles) == 4
    assert sum(not texture.is_empty() for texture in read.textures) == 2


def test_images_keep_their_values() -> None:
    rng = np.random.default_rng(0)
    depth = rng.random((20, 30), dtype=np.float32)
    read = cv2.imdecode(np.frombuffer(encode_float_tiff(depth), np.uint8), cv2.IMREAD_UNCHANGED)
    assert read.dtype == np.float32
    assert np.array_equal(read, depth)
    deep = rng.integers(0, 65536, (20, 30), dtype=np.uint16)
    assert np.array_equal(cv2.imdecode(np.frombuffer(encode_png16(deep), np.uint8), cv2.IMREAD_UNCHANGED), deep)


def test_cameras_document_places_cameras_on_the_earth() -> None:
    pose = np.concatenate([np.eye(3), [[0.0], [0.0], [-100.0]]], 1)  # 100 m above the origin
    scene = Scene(
        cameras=(Camera(1, "PINHOLE", 640, 480, (500.0, 500.0, 320.0, 240.0)),),
        images=(SceneImage("a.jpg", 0, 1, pose),),
        points_world=np.zeros((0, 3)),
        colors=np.zeros((0, 3), np.uint8),
        errors_px=np.zeros(0, np.float32),
        observation_image=np.zeros(0, np.int32),
        observation_point=np.zeros(0, np.int32),
        observation_px=np.zeros((0, 2), np.float32),
        frame="georeferenced",
        georeference=ORIGIN,
    )
    image = json.loads(json.dumps(cameras_document(scene)))["images"][0]
    assert image["center_world"] == [0, 0, 100]
    assert image["wgs84"]["latitude_deg"] == pytest.approx(47.3769, abs=1e-9)
    assert image["wgs84"]["height_m"] == pytest.approx(550.0, abs=1e-6)
    assert image["projected_m"][:2] == pytest.approx(
        pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32632").transform(47.3769, 8.5417), abs=1e-6
    )


@pytest.fixture(scope="session")
def gltf_validator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where node finds the Khronos validator."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("gltf")
    install = subprocess.run(
        ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "gltf-validator@2.0.0-dev.3.10"],
        capture_output=True,
        text=True,
    )
    if install.returncode:
        pytest.skip(f"gltf-validator cannot be installed: {install.stderr.strip().splitlines()[-1:]}")
    return folder


def test_glb_passes_the_khronos_validator(gltf_validator: Path, tmp_path: Path) -> None:
    (tmp_path / "model.glb").write_bytes(glb_bytes(textured_tetrahedron()))
    script = (
        "require('gltf-validator').validateBytes(new Uint8Array(require('fs').readFileSync(process.argv[1])))"
        ".then(report => console.log(JSON.stringify(report.issues)))"
    )
    answer = subprocess.run(
        ["node", "-e", script, str(tmp_path / "model.glb")], cwd=gltf_validator, capture_output=True, text=True
    )
    issues = json.loads(answer.stdout)
    assert issues["numErrors"] == 0, issues
    assert issues["numWarnings"] == 0, issues
