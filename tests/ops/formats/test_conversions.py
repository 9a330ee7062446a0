"""Records as objects of other libraries."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from e2e3d.data.dense import PointCloud
from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.errors import InputError
from e2e3d.ops.formats.conversions import scene_from_colmap, to_open3d, to_pycolmap, to_trimesh
from e2e3d.ops.formats.obj import material_library, write_obj
from e2e3d.ops.formats.pictures import encode_png
from e2e3d.ops.formats.ply import write_cloud_ply
from tests.synthetic import sample_results


def textured(pages: int) -> TexturedMesh:
    rng = np.random.default_rng(0)
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], np.int32)
    mesh = Mesh(vertices, rng.integers(0, 255, (4, 3)).astype(np.uint8), faces)
    uv = rng.uniform(0, 1, (4, 3, 2)).astype(np.float32)
    page = (np.arange(4) % pages).astype(np.int32)
    images = tuple(rng.integers(0, 255, (8, 16, 3)).astype(np.uint8) for _ in range(pages))
    return TexturedMesh(mesh, uv, page, np.zeros(4, np.int32), images)


def test_a_textured_mesh_is_what_open3d_reads_from_its_files(tmp_path: Path) -> None:
    import open3d as o3d

    model = textured(1)
    (tmp_path / "page.png").write_bytes(encode_png(model.pages[0]))
    (tmp_path / "model.mtl").write_bytes(material_library(["page.png"]))
    with (tmp_path / "model.obj").open("wb") as file:
        write_obj(file, model, "model.mtl")
    read = o3d.io.read_triangle_mesh(str(tmp_path / "model.obj"))
    made = to_open3d(model)
    (texture,) = [image for image in read.textures if not image.is_empty()]
    np.testing.assert_array_equal(np.asarray(made.textures[0]), np.asarray(texture))
    corners = np.asarray(read.vertices)[np.asarray(read.triangles)]
    np.testing.assert_allclose(np.asarray(made.vertices)[np.asarray(made.triangles)], corners, atol=1e-6)
    np.testing.assert_allclose(np.asarray(made.triangle_uvs), np.asarray(read.triangle_uvs), atol=1e-5)


def test_trimesh_keeps_faces_colours_and_textures() -> None:
    model = textured(2)
    plain = to_trimesh(model.mesh)
    np.testing.assert_array_equal(plain.faces, model.mesh.faces)
    np.testing.assert_array_equal(plain.visual.vertex_colors[:, :3], model.mesh.colors)
    scene = to_trimesh(model)
    pages = list(scene.geometry.values())
    assert sum(len(part.faces) for part in pages) == 4
    for page, part in enumerate(pages):
        np.testing.assert_array_equal(np.asarray(part.visual.material.baseColorTexture), model.pages[page])
        own = model.face_page == page
        np.testing.assert_allclose(part.triangles, model.mesh.vertices_world[model.mesh.faces[own]])
        np.testing.assert_allclose(part.visual.uv[part.faces], model.uv[own])
    assert type(to_trimesh(textured(1))).__name__ == "Trimesh"


def test_clouds_keep_positions_normals_and_colours(tmp_path: Path) -> None:
    import open3d as o3d

    rng = np.random.default_rng(1)
    points, normals = rng.normal(size=(2, 50, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    ones = np.ones(50, np.float32)
    offsets, views = np.arange(51), np.zeros(50, np.int32)
    colors = rng.integers(0, 255, (50, 3)).astype(np.uint8)
    cloud = PointCloud(points, normals, colors, ones, ones.astype(np.uint16), ones, offsets, views)
    with (tmp_path / "cloud.ply").open("wb") as file:
        write_cloud_ply(file, cloud)
    read, made = o3d.io.read_point_cloud(str(tmp_path / "cloud.ply")), to_open3d(cloud)
    for name in ("points", "normals", "colors"):
        np.testing.assert_allclose(np.asarray(getattr(made, name)), np.asarray(getattr(read, name)), atol=1e-6)
    np.testing.assert_array_equal(to_trimesh(cloud).vertices, points)


def test_a_scene_comes_back_from_colmap_files_with_names_matched(tmp_path: Path) -> None:
    scene = sample_results(3, 12).mapping.scene
    to_pycolmap(scene).write_text(str(tmp_path))
    names = [image.name for image in scene.images]
    back = scene_from_colmap(tmp_path)
    for image in scene:
        np.testing.assert_allclose(back[image.name].cam_from_world, image.cam_from_world, atol=1e-9)
        assert back.camera_of(back[image.name]).params == pytest.approx(scene.camera_of(image).params)
        assert back[image.name].photo_index == sorted(names).index(image.name)
    np.testing.assert_allclose(back.points_world, scene.points_world, atol=1e-9)
    np.testing.assert_array_equal(back.observation_point, scene.observation_point)
    turned = scene_from_colmap(tmp_path, names[::-1])
    assert [turned[name].photo_index for name in names[::-1]] == list(range(len(names)))
    assert dataclasses.replace(turned, images=()).cameras == back.cameras
    with pytest.raises(InputError, match="not among the photographs"):
        scene_from_colmap(tmp_path, names[1:])
    with pytest.raises(InputError) as caught:
        scene_from_colmap(tmp_path / "nowhere")
    assert caught.value.code == "bad-model"


def test_read_only_arrays_of_a_store_are_taken() -> None:
    model = textured(2)
    arrays = (model.mesh.vertices_world, model.mesh.faces, model.mesh.colors, model.uv, model.face_page, *model.pages)
    for array in arrays:
        array.setflags(write=False)
    assert len(to_open3d(model.mesh).triangles) == len(to_open3d(model).triangles) == len(model.mesh.faces)
    assert len(to_trimesh(model.mesh).faces) == len(model.mesh.faces)
    to_trimesh(model)
