"""Records as the objects of other libraries, and back: pycolmap, Open3D, trimesh. All share the model's own frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from e2e3d.data.dense import PointCloud
from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.data.scene import Scene
from e2e3d.errors import InputError
from e2e3d.ops.formats.corners import primitives_of
from e2e3d.ops.sfm.colmap_model import reconstruction_to_scene, scene_to_reconstruction

if TYPE_CHECKING:
    import open3d as o3d
    import pycolmap
    import trimesh


def to_pycolmap(scene: Scene) -> pycolmap.Reconstruction:
    """The scene as a reconstruction of pycolmap; image ids are ``photo_index + 1``."""
    return scene_to_reconstruction(scene)


def scene_from_colmap(path: str | Path, photos: Sequence[str] | None = None) -> Scene:
    """Read a COLMAP model, binary or text, made by any program.

    Args:
        path: the folder with ``cameras``, ``images`` and ``points3D``.
        photos: names of photographs, in the order that ``photo_index`` counts in; images are found among them by name.
            None = the model's own names, sorted.

    Raises:
        InputError: ``bad-model`` when COLMAP cannot read it, ``unknown-photograph`` for an image that `photos` lacks.
    """
    import pycolmap

    try:
        reconstruction = pycolmap.Reconstruction(str(path))
    except (ValueError, RuntimeError) as error:
        raise InputError("bad-model", f"{path} is not a COLMAP model: {error}.", "Give the folder itself.") from error
    scene = reconstruction_to_scene(reconstruction)
    names = sorted(image.name for image in scene.images) if photos is None else list(photos)
    missing = sorted({image.name for image in scene.images}.difference(names))
    if missing:
        raise InputError(
            "unknown-photograph", f"{path} has images that are not among the photographs, such as {missing[0]}.", ""
        )
    places = {name: i for i, name in enumerate(names)}
    images = tuple(dataclasses.replace(image, photo_index=places[image.name]) for image in scene.images)
    return dataclasses.replace(scene, images=images)


def to_open3d(record: PointCloud | Mesh | TexturedMesh) -> o3d.geometry.PointCloud | o3d.geometry.TriangleMesh:
    """A cloud with colours and normals, or a mesh with vertex colours or with its texture, as Open3D's legacy geometry.

    Textures are upside down, as Open3D's own reader of OBJ leaves them. Arrays are copied.
    """
    import open3d as o3d

    if isinstance(record, PointCloud):
        cloud = o3d.geometry.PointCloud(_vectors(record.points_world))
        cloud.normals, cloud.colors = _vectors(record.normals_world), _vectors(record.colors / 255)
        return cloud
    mesh = record if isinstance(record, Mesh) else record.mesh
    made = o3d.geometry.TriangleMesh(_vectors(mesh.vertices_world), o3d.utility.Vector3iVector(np.array(mesh.faces)))
    if isinstance(record, Mesh):
        made.vertex_colors = _vectors(record.colors / 255)
    else:
        made.triangle_uvs = o3d.utility.Vector2dVector(record.uv.reshape(-1, 2).astype(np.float64))
        made.triangle_material_ids = o3d.utility.IntVector(np.array(record.face_page))
        made.textures = [o3d.geometry.Image(np.ascontiguousarray(page[::-1])) for page in record.pages]
    return made


def to_trimesh(record: PointCloud | Mesh | TexturedMesh) -> trimesh.PointCloud | trimesh.Trimesh | trimesh.Scene:
    """A ``trimesh.PointCloud``, or a ``trimesh.Trimesh`` with vertex colours or its texture.

    A textured mesh of several atlas pages becomes a ``trimesh.Scene`` with one mesh a page.
    """
    import trimesh

    if isinstance(record, PointCloud):
        return trimesh.PointCloud(record.points_world, record.colors)
    if isinstance(record, Mesh):
        return trimesh.Trimesh(record.vertices_world, record.faces, vertex_colors=record.colors, process=False)
    parts = _textured_parts(record)
    return parts[0] if len(parts) == 1 else trimesh.Scene(parts)


def _textured_parts(record: TexturedMesh) -> list[trimesh.Trimesh]:
    import trimesh
    from PIL import Image

    parts = []
    for part in primitives_of(record):
        material = trimesh.visual.material.PBRMaterial(
            baseColorTexture=Image.fromarray(record.pages[part.page]), metallicFactor=0.0, roughnessFactor=1.0
        )
        visual = trimesh.visual.TextureVisuals(uv=part.uv, material=material)
        vertices = record.mesh.vertices_world[part.vertex]
        parts.append(trimesh.Trimesh(vertices, part.faces, visual=visual, process=False))
    return parts


def _vectors(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> o3d.utility.Vector3dVector:
    import open3d as o3d

    return o3d.utility.Vector3dVector(np.asarray(values, np.float64))
