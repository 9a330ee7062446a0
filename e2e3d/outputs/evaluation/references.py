"""Reads what results are judged against: cameras in four formats, exact surfaces, and models made by any program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.data.scene import Camera
from e2e3d.errors import InputError
from e2e3d.ops.evaluation.surface import ExactSurface
from e2e3d.outputs.evaluation.transforms_json import cameras_of_transforms

_MODEL_FILES = ("cameras.bin", "cameras.txt")
_TRANSFORMS = "transforms.json"


@dataclass(frozen=True)
class ReferenceCamera:
    """Pose of a photograph, float64 [3, 4], and its calibration where the reference has one.

    The camera's size is 0 where the reference does not say it: that of the photograph.
    """

    cam_from_world: NDArray[np.float64]
    camera: Camera | None = None


def read_cameras(path: Path) -> dict[str, NDArray[np.float64]]:
    """The poses of :func:`read_reference`, float64 [3, 4]."""
    return {name: entry.cam_from_world for name, entry in read_reference(path).items()}


def read_reference(path: Path) -> dict[str, ReferenceCamera]:
    """The cameras of :func:`read_named` by photograph, its name without folder and suffix."""
    return {stem(name): camera for name, camera in read_named(path).items()}


def read_named(path: Path) -> dict[str, ReferenceCamera]:
    """Poses, and calibrations where stated, from any known format, by the names that it gives the photographs.

    `path` is a COLMAP model (binary or text), a folder with one in ``sparse/`` or ``sparse/0/`` such as a result, a
    ``transforms.json`` of nerfstudio or its folder, a folder of Strecha's ``.camera`` files, or a ``gt_cameras.json``.

    Raises:
        InputError: ``unknown-reference`` when it is none of these, ``bad-model``, ``camera-model`` for a lens that has
            no model here.
    """
    if path.is_file() and path.suffix == ".json":
        return _read_json_cameras(path)
    if any((path / name).is_file() for name in _MODEL_FILES):
        return {name: ReferenceCamera(pose, camera) for name, (camera, pose) in read_model(path).items()}
    if (path / _TRANSFORMS).is_file():
        return _read_json_cameras(path / _TRANSFORMS)
    for inside in ("sparse", "0"):
        if (path / inside).is_dir():
            return read_named(path / inside)
    if path.is_dir() and any(path.glob("*.camera")):
        return {file.name.removesuffix(".camera"): _read_strecha(file) for file in sorted(path.glob("*.camera"))}
    raise InputError(
        "unknown-reference",
        f"{path} holds no cameras that can be read.",
        "Give a COLMAP model folder, a transforms.json of nerfstudio, a folder of .camera files, or a JSON file with "
        "x_cam = R X + t.",
    )


def read_model(path: Path) -> dict[str, tuple[Camera, NDArray[np.float64]]]:
    """Camera and cam_from_world [3, 4] of each registered photograph of a COLMAP model, by its full name.

    Raises:
        InputError: ``bad-model`` when COLMAP cannot read it.
    """
    import pycolmap

    try:
        reconstruction = pycolmap.Reconstruction(str(path))
    except (ValueError, RuntimeError) as error:
        raise InputError("bad-model", f"{path} is not a COLMAP model: {error}.", "Give the folder itself.") from error
    return {
        image.name: (_camera(reconstruction.cameras[image.camera_id]), image.cam_from_world().matrix())
        for image in sorted(reconstruction.images.values(), key=lambda image: image.name)
        if image.has_pose
    }


def read_textured(path: Path) -> TexturedMesh:
    """Any model that trimesh reads, with its textures or vertex colours (face page -1), in its own world frame.

    Raises:
        InputError: ``unreadable-model``.
    """
    import trimesh

    try:
        scene = trimesh.load_scene(path, process=False)
        parts = [part for part in scene.dump() if isinstance(part, trimesh.Trimesh)]
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(
            "unreadable-model", f"{path} cannot be read: {error}.", "Give a GLB, OBJ or PLY file."
        ) from error
    if not parts:
        raise InputError("unreadable-model", f"{path} holds no triangles.", "Give a GLB, OBJ or PLY mesh.")
    return _joined([_part(part) for part in parts])


def read_surface(folder: Path) -> ExactSurface:
    """The exact surface in a folder with ``gt_mesh.ply``, ``gt_points.ply`` and ``gsd.txt``.

    Raises:
        InputError: ``no-surface`` naming the missing file.
    """
    import open3d as o3d

    for name in ("gt_mesh.ply", "gt_points.ply", "gsd.txt"):
        if not (folder / name).is_file():
            raise InputError("no-surface", f"{folder} has no {name}.", "Give a folder made by `e2e3d sample`.")
    mesh = o3d.io.read_triangle_mesh(str(folder / "gt_mesh.ply"))
    vertices = np.asarray(mesh.vertices, np.float32)
    points = np.asarray(o3d.io.read_point_cloud(str(folder / "gt_points.ply")).points)
    faces = np.asarray(mesh.triangles, np.int32)
    footprint = float((folder / "gsd.txt").read_text())
    return ExactSurface(Mesh(vertices, np.zeros(vertices.shape, np.uint8), faces), points, footprint)


def stem(name: str) -> str:
    """A photograph's name without folder and suffix: what names have in common when images were converted."""
    return PurePosixPath(name.replace("\\", "/")).stem


def _read_strecha(file: Path) -> ReferenceCamera:
    """Strecha's format: K (3 rows), a row of zeros, R transposed (3 rows), centre, size; world to camera is R."""
    try:
        rows = [[float(word) for word in line.split()] for line in file.read_text().splitlines() if line.strip()]
        rotation, center = np.array(rows[4:7]).T, np.array(rows[7])
        camera = _calibrated(rows[:3], [], int(rows[8][0]), int(rows[8][1]))
        return ReferenceCamera(np.concatenate([rotation, -(rotation @ center)[:, None]], 1), camera)
    except (ValueError, IndexError) as error:
        raise InputError(
            "unknown-reference", f"{file} is not a .camera file: {error}.", "See Strecha (2008)."
        ) from error


def _read_json_cameras(path: Path) -> dict[str, ReferenceCamera]:
    try:
        document = json.loads(path.read_text())
        if "frames" in document:
            return {name: ReferenceCamera(*known) for name, known in cameras_of_transforms(document).items()}
        entries: Any = document.get("images") or document["cameras"]
        items = entries.items() if isinstance(entries, dict) else ((entry["name"], entry) for entry in entries)
        return {name: ReferenceCamera(_json_pose(entry), _json_camera(entry)) for name, entry in items}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(
            "unknown-reference",
            f"{path} cannot be understood: {error!r}.",
            "Give R and t by name, or frames with transform_matrix as nerfstudio does.",
        ) from error


def _json_pose(entry: dict[str, Any]) -> NDArray[np.float64]:
    if "cam_from_world" in entry:
        return np.asarray(entry["cam_from_world"], np.float64).reshape(3, 4)
    rotation = np.asarray(entry["R"], np.float64).reshape(3, 3)
    return np.concatenate([rotation, np.asarray(entry["t"], np.float64).reshape(3, 1)], 1)


def _json_camera(entry: dict[str, Any]) -> Camera | None:
    return _calibrated(entry["K"], [float(value) for value in entry.get("dist", [])]) if "K" in entry else None


def _calibrated(rows: Sequence[Sequence[float]], dist: Sequence[float], width: int = 0, height: int = 0) -> Camera:
    """A camera from K, whose pixel centres are at whole numbers, and OpenCV's distortion (k1, k2, p1, p2, k3)."""
    params = (rows[0][0], rows[1][1], rows[0][2] + 0.5, rows[1][2] + 0.5)
    if not any(dist):
        return Camera(1, "PINHOLE", width, height, params)
    if len(dist) == 4:
        return Camera(1, "OPENCV", width, height, (*params, *dist))
    return Camera(1, "FULL_OPENCV", width, height, (*params, *dist, *(0.0,) * (8 - len(dist))))


def _camera(camera: Any) -> Camera:
    return Camera(camera.camera_id, camera.model.name, camera.width, camera.height, tuple(camera.params.tolist()))


def _part(mesh: Any) -> TexturedMesh:
    """One of trimesh's meshes."""
    vertices, faces = np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)
    material, uv = getattr(mesh.visual, "material", None), getattr(mesh.visual, "uv", None)
    image = getattr(material, "image", None) or getattr(material, "baseColorTexture", None)
    count = len(faces)
    if image is not None and uv is not None:
        page, corners = np.asarray(image.convert("RGB")), np.asarray(uv, np.float32)[faces]
        plain = Mesh(vertices, np.zeros(vertices.shape, np.uint8), faces)
        return TexturedMesh(plain, corners, np.zeros(count, np.int32), np.full(count, -1, np.int32), (page,))
    visual = mesh.visual if material is None else mesh.visual.to_color()
    colors = np.asarray(visual.vertex_colors)[:, :3].astype(np.uint8)
    none = np.full(count, -1, np.int32)
    return TexturedMesh(Mesh(vertices, colors, faces), np.zeros((count, 3, 2), np.float32), none, none, ())


def _joined(parts: list[TexturedMesh]) -> TexturedMesh:
    vertex_offsets = np.cumsum([0] + [len(part.mesh.vertices_world) for part in parts])
    page_offsets = np.cumsum([0] + [len(part.pages) for part in parts])
    pairs = list(zip(parts, vertex_offsets, page_offsets, strict=False))
    return TexturedMesh(
        Mesh(
            np.concatenate([part.mesh.vertices_world for part in parts]),
            np.concatenate([part.mesh.colors for part in parts]),
            np.concatenate([part.mesh.faces + offset for part, offset, _ in pairs]).astype(np.int32),
        ),
        np.concatenate([part.uv for part in parts]),
        np.concatenate([np.where(p.face_page < 0, -1, p.face_page + o) for p, _, o in pairs]).astype(np.int32),
        np.concatenate([part.face_image for part in parts]),
        tuple(page for part in parts for page in part.pages),
    )
