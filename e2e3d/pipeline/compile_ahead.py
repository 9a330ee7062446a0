"""Compile the kernels ahead of the first job: a tiny reconstruction calls them all, and Numba keeps the machine code.

A list of signatures would have to follow every kernel; a reconstruction calls them as a job does. Those of the texture
take a third of the time, and need no stage before them but a scene that is known: a process of its own compiles them.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from e2e3d.config.presets import configure
from e2e3d.data.mesh import Mesh
from e2e3d.data.scene import Camera
from e2e3d.ops.sample.sample_scene import build_sample_scene, sample_poses
from e2e3d.ops.stereo.coarser import fill_from_coarser
from e2e3d.ops.texturing.camera import camera_vector
from e2e3d.ops.texturing.texture_mesh import texture_mesh
from e2e3d.outputs.sample_set import write_sample
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.pipeline import reconstruct
from e2e3d.runtime.kernel_cache import compiled_mark
from e2e3d.storage.failures import machine_errors
from e2e3d.storage.store import ArtifactStore

_PHOTOGRAPHS, _WIDTH_PX, _ATLAS_PX = 8, 320, 1024  # as few and as small as can be reconstructed
_SETTINGS = {
    "depth.max_size_px": _WIDTH_PX,
    "depth.coarsest_px": _WIDTH_PX // 3,  # two levels, although undistortion crops
    "mesh.max_faces": 5000,
    "texture.atlas_size_px": _ATLAS_PX,
}


def compile_kernels() -> None:
    """Compile all kernels for this processor, and say so with a mark beside them; a minute or two on two cores.

    Raises:
        MachineError: when the folder of the machine code or the temporary one cannot be written.
    """
    mark = compiled_mark()
    with machine_errors(mark.parent), ProcessPoolExecutor(1, get_context("spawn")) as other:
        texturing = other.submit(_texture)
        _reconstruct()
        texturing.result()
        mark.touch()


def _reconstruct() -> None:
    with tempfile.TemporaryDirectory(prefix="e2e3d-compile-") as folder:
        images = write_sample(Path(folder), _PHOTOGRAPHS, _WIDTH_PX)
        executor = InProcessExecutor(ArtifactStore(f"{folder}/store"), device="cpu")
        results = reconstruct(images, configure("high", _SETTINGS), executor)
        # The tiny views have no smaller sizes: a depth map of the same size stands for one.
        view, depth = results.views[0].load(), results.depths[0].load()
        fill_from_coarser(depth, view, depth, view, radius_px=5)


def _texture() -> None:
    """Paint the sample scene from its own cameras."""
    width, height = _WIDTH_PX, _WIDTH_PX * 3 // 4
    scene = build_sample_scene(detail=60)
    mesh = Mesh(scene.vertices_world, np.zeros_like(scene.vertices_world, np.uint8), scene.faces)
    intrinsics = (0.9 * width, 0.9 * width, width / 2, height / 2)
    camera = Camera(1, "PINHOLE", width, height, intrinsics)
    poses = sample_poses(_PHOTOGRAPHS)
    photos = [scene.render(intrinsics, pose, width, height).image for pose in poses]
    cameras = np.array([camera_vector(camera, pose) for pose in poses])
    texture_mesh(mesh, cameras, lambda index: (photos[index], None), _ATLAS_PX)
