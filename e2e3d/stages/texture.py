"""Texture stage: the mesh, painted from the original photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.config.texture import TextureConfig, texture_cost
from e2e3d.config.workload import FACE_BYTES, Workload
from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.data.ref import Ref
from e2e3d.data.scene import Mapping
from e2e3d.stages.stage import Resources, RunContext, Stage, StoredInputs


@dataclass(frozen=True)
class TextureInputs:
    """What the texture is made from.

    Attributes:
        photos: the bytes of the photograph files in the order of ``scene.images``.
        masks: the bytes of their masks in the same order, None where there is none.
        white_levels: of those of 16 bits in the same order; empty = as each photograph shows itself.
    """

    mesh: Ref[Mesh]
    mapping: Ref[Mapping]
    photos: tuple[Ref[bytes], ...]
    masks: tuple[Ref[bytes] | None, ...]
    white_levels: tuple[int | None, ...] = ()


def run(inputs: TextureInputs, config: TextureConfig, context: RunContext) -> TexturedMesh:
    """Texture the mesh; photographs are loaded one at a time."""
    from e2e3d.ops.photos.decoding import decode_photo
    from e2e3d.ops.texturing.camera import camera_vector
    from e2e3d.ops.texturing.texture_mesh import texture_mesh
    from e2e3d.stages.usable_pixels import usable_pixels

    mapping = inputs.mapping.load()
    scene = mapping.scene
    cameras = np.array([camera_vector(scene.camera_of(image), image.cam_from_world) for image in scene.images])

    def load_photo(index: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        white_level = inputs.white_levels[index] if inputs.white_levels else None
        photo = decode_photo(inputs.photos[index].load(), white_level=white_level)
        return photo.image, usable_pixels(inputs.masks[index], photo, mapping.still_cells(scene.images[index]))

    return texture_mesh(
        inputs.mesh.load(), cameras, load_photo, config.atlas_size_px, config.max_pages, config.even_exposure
    )


def _workload(inputs: TextureInputs, stored: StoredInputs) -> Workload:
    cameras = stored.record(inputs.mapping).scene.cameras
    return Workload(
        photos=len(inputs.photos),
        photo_mp=max((camera.width_px * camera.height_px for camera in cameras), default=0) / 1e6,
        faces=stored.size_bytes(inputs.mesh) / FACE_BYTES,
    )


STAGE = Stage(
    name="texture",
    version=6,
    config=TextureConfig,
    output=TexturedMesh,
    run=run,
    resources=Resources(cpus=0),
    workload=_workload,
    cost=texture_cost,
)
