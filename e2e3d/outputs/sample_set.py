"""The sample set: photographs of the procedural scene, with its exact cameras and surface beside them.

The folder is laid out like the twins that results are judged with: ``images/``, ``K.txt``, ``gt_model/`` (COLMAP text),
``gt_mesh.ply``, ``gt_points.ply`` (the part of the surface that at least two photographs see) and ``gsd.txt`` (median
size of a pixel on the surface, in metres).
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import View
from e2e3d.data.mesh import Mesh
from e2e3d.errors import InputError, SettingsError
from e2e3d.ops.formats.ply import write_mesh_ply, write_points_ply
from e2e3d.ops.sample.sample_scene import SampleScene, build_sample_scene, sample_poses
from e2e3d.ops.sample.sample_shading import pinhole_rays
from e2e3d.storage.atomic_files import atomic_file, write_bytes
from e2e3d.storage.failures import machine_errors

_ASPECT = 0.75
_FOCAL = 0.95  # of the width: a lens of 34 mm on a full-frame camera
_RADIUS_M = 3.2
_SPAN_DEG = 130.0
_NOISE = 1.2  # standard deviation in grey levels
_JPEG_QUALITY = 95
_POINT_STEP_PX = 2
_SAME_DEPTH = 0.005

_Camera = tuple[float, float, float, float]


def write_sample(directory: Path, count: int = 18, width_px: int = 1152) -> Path:
    """Write the sample set and return the folder of its photographs; the same arguments give the same bytes.

    Args:
        directory: where to write; it is made when missing.
        count: number of photographs, at least 3.
        width_px: their width; the height is three quarters of it.

    Raises:
        SettingsError: when there would be fewer than three photographs or they would be too small.
        MachineError: when the folder cannot be written.
    """
    if count < 3 or width_px < 64:
        raise SettingsError(
            "bad-sample-size",
            f"{count} photographs of {width_px} pixels make no sample set.",
            "Ask for at least 3 photographs of at least 64 pixels.",
        )
    scene = build_sample_scene()
    poses = sample_poses(count, _RADIUS_M, _SPAN_DEG)
    height_px = round(width_px * _ASPECT)
    intrinsics = (_FOCAL * width_px, _FOCAL * width_px, width_px / 2, height_px / 2)
    names = [f"IMG_{index + 1:04d}.jpg" for index in range(count)]
    depths = []
    for index, (name, pose) in enumerate(zip(names, poses, strict=True)):
        rendering = scene.render(intrinsics, pose, width_px, height_px)
        write_bytes(directory / "images" / name, _photograph(rendering.image, index))
        depths.append(rendering.depth)
    _write_cameras(directory, intrinsics, (width_px, height_px), names, poses)
    _write_surface(directory, scene, intrinsics, poses, depths)
    return directory / "images"


def exact_depth(directory: Path, view: View) -> NDArray[np.float32]:
    """The exact depth of a view of a sample set's photograph in metres, float32 [H, W]: of its surface and true pose.

    Raises:
        InputError: ``no-sample`` where `directory` holds no sample set with that photograph.
    """
    import open3d as o3d
    import pycolmap

    if not (directory / "gsd.txt").is_file():
        raise InputError("no-sample", f"{directory} holds no sample set.", "Write one with: e2e3d sample FOLDER")
    images = pycolmap.Reconstruction(str(directory / "gt_model")).images.values()
    poses = {image.name: image.cam_from_world().matrix() for image in images}
    if view.name not in poses:
        raise InputError("no-sample", f"{view.name} is not of the sample set {directory}.", "")
    caster = o3d.t.geometry.RaycastingScene()
    caster.add_triangles(o3d.t.io.read_triangle_mesh(str(directory / "gt_mesh.ply")))
    height, width = view.image.shape[:2]
    fx, fy, cx, cy = view.intrinsics_px
    rays = pinhole_rays((fx, fy, cx, cy), poses[view.name], width, height, (0.5, 0.5))
    depth: NDArray[np.float32] = caster.cast_rays(o3d.core.Tensor(rays))["t_hit"].numpy()
    return np.where(np.isfinite(depth), depth, np.float32(0))  # the direction has z = 1, so t is the depth


def _photograph(image: NDArray[np.uint8], index: int) -> bytes:
    """JPEG bytes with slight sensor noise, and the EXIF of the camera that took it."""
    from PIL import Image

    rng = np.random.default_rng(index)
    noisy = image + rng.normal(0, _NOISE, image.shape[:2])[..., None] + rng.normal(0, _NOISE / 2, image.shape)
    picture = Image.fromarray(np.clip(np.round(noisy), 0, 255).astype(np.uint8))
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "E2E3D", "Sample camera", 1  # make, model, orientation
    details = exif.get_ifd(0x8769)
    details[0x920A] = round(36 * _FOCAL, 3)  # focal length of a sensor 36 mm wide
    details[0xA405] = round(36 * _FOCAL)  # the same as a 35 mm equivalent
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=_JPEG_QUALITY, subsampling=0, exif=exif)
    return data.getvalue()


def _write_cameras(
    directory: Path, intrinsics: _Camera, size: tuple[int, int], names: list[str], poses: list[NDArray[np.float64]]
) -> None:
    import pycolmap

    fx, fy, cx, cy = intrinsics
    write_bytes(directory / "K.txt", f"{fx:.6f} 0 {cx:.6f}\n0 {fy:.6f} {cy:.6f}\n0 0 1\n".encode())
    model = pycolmap.Reconstruction()
    model.add_camera_with_trivial_rig(
        pycolmap.Camera(camera_id=1, model="PINHOLE", width=size[0], height=size[1], params=list(intrinsics))
    )
    for index, (name, pose) in enumerate(zip(names, poses, strict=True)):
        image = pycolmap.Image(name=name, camera_id=1, image_id=index + 1)
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(pose))
    with machine_errors(directory / "gt_model"):
        (directory / "gt_model").mkdir(exist_ok=True)
        model.write_text(str(directory / "gt_model"))


def _write_surface(
    directory: Path,
    scene: SampleScene,
    intrinsics: _Camera,
    poses: list[NDArray[np.float64]],
    depths: list[NDArray[np.float32]],
) -> None:
    import open3d as o3d

    mesh = Mesh(scene.vertices_world, np.full(scene.vertices_world.shape, 160, np.uint8), scene.faces)
    with atomic_file(directory / "gt_mesh.ply") as file:
        write_mesh_ply(file, mesh)
    footprint = float(np.median([np.median(depth[depth > 0]) for depth in depths]) / intrinsics[0])
    points = np.concatenate([_seen_twice(index, intrinsics, poses, depths) for index in range(len(poses))])
    thin = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points)).voxel_down_sample(1.5 * footprint)
    with atomic_file(directory / "gt_points.ply") as file:
        write_points_ply(file, np.asarray(thin.points, np.float32))
    write_bytes(directory / "gsd.txt", f"{footprint!r}\n".encode())


def _seen_twice(
    index: int, intrinsics: _Camera, poses: list[NDArray[np.float64]], depths: list[NDArray[np.float32]]
) -> NDArray[np.float64]:
    """The surface points [N, 3] of one photograph (every second pixel) that some other photograph sees as well."""
    fx, fy, cx, cy = intrinsics
    height, width = depths[index].shape
    grid = depths[index][::_POINT_STEP_PX, ::_POINT_STEP_PX]
    y, x = (position * _POINT_STEP_PX for position in np.nonzero(grid))
    z = grid[grid > 0].astype(np.float64)
    camera = np.stack([(x + 0.5 - cx) / fx * z, (y + 0.5 - cy) / fy * z, z], 1)
    points = (camera - poses[index][:, 3]) @ poses[index][:, :3]
    seen = np.zeros(len(points), bool)
    for other in sorted(range(len(poses)), key=lambda i: abs(i - index))[1:]:
        unseen = np.flatnonzero(~seen)
        there = points[unseen] @ poses[other][:, :3].T + poses[other][:, 3]
        ahead = there[:, 2] > 0
        scale = 1 / np.where(ahead, there[:, 2], 1)
        column, row = there[:, 0] * scale * fx + cx, there[:, 1] * scale * fy + cy
        inside = ahead & (column >= 0) & (column < width) & (row >= 0) & (row < height)
        found = depths[other][row[inside].astype(int), column[inside].astype(int)]
        seen[unseen[inside]] = np.abs(found - there[inside, 2]) < _SAME_DEPTH * there[inside, 2]
    return np.asarray(points[seen])
