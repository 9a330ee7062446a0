"""The file that carries a GPU check to a machine with a card: a view, its sources, and two photographs' descriptors.

The views are JPEGs in a safetensors file, so that seven of 3200 pixels stay under 50 MB; reading it needs numpy, OpenCV
and safetensors only.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from e2e3d.data.dense import View

LARGEST_PX = 3200
_SOURCES = 6
_JPEG_QUALITY = 95
_COUNTED_PX = 800  # evaluations a pixel hardly depend on the size


@dataclass(frozen=True)
class GpuInputs:
    """What is checked on a card.

    Attributes:
        views: the reference view and its sources, best first, at most `LARGEST_PX` pixels.
        descriptors: uint8 [N, 128] of two photographs.
        evaluations_a_pixel: of all passes of one view, counted on a CPU.
    """

    views: list[View]
    descriptors: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    evaluations_a_pixel: float


def prepare(photos: Path, file: Path) -> GpuInputs:
    """Reconstruct the cameras of `photos` on the CPU, and write what the check needs to `file`."""
    from kernels import count_evaluations

    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as store:
        scene = _Scene(photos, store)
        counted = scene.views(_COUNTED_PX)[0]
        evaluations = count_evaluations(store) / counted.image[..., 0].size
        first, *others = scene.views(LARGEST_PX)
        sources = [next(view for view in others if view.image_index == i) for i in first.sources[:_SOURCES]]
        descriptors = scene.descriptors(first), scene.descriptors(sources[0])
    inputs = GpuInputs([first, *sources], descriptors, evaluations)
    save(inputs, file)
    return inputs


class _Scene:
    """Photographs with their cameras, reconstructed on the CPU in this process."""

    def __init__(self, photos: Path, store: str) -> None:
        from e2e3d.config.presets import PRESETS
        from e2e3d.pipeline import pipeline
        from e2e3d.pipeline.inprocess import InProcessExecutor
        from e2e3d.pipeline.sources.source_set import read_source
        from e2e3d.storage.store import ArtifactStore

        self._config = PRESETS["medium"]
        self._run = InProcessExecutor(ArtifactStore(store), device="cpu")
        files = read_source(str(photos), self._run)
        photos_found = pipeline.check_photos(files, None, self._config, self._run)
        usable = [photo for photo in photos_found if photo.usable]
        found, matches = pipeline.find_matches(usable, False, self._config, self._run)
        self._mapped = pipeline.map_cameras(usable, None, None, None, self._config, self._run, found, matches)
        images = self._mapped.load().scene.images
        self._photos = [usable[image.photo_index] for image in images]
        self._features = [found[image.photo_index] for image in images]

    def views(self, size_px: int) -> list[View]:
        """All photographs undistorted at `size_px`."""
        from e2e3d.pipeline import pipeline

        return [ref.load() for ref in pipeline.undistort_photos(self._photos, self._mapped, size_px, self._run)]

    def descriptors(self, view: View) -> NDArray[np.uint8]:
        """Of the photograph of a view."""
        return np.asarray(self._features[view.image_index].load().descriptors)


def save(inputs: GpuInputs, file: Path) -> None:
    """Write the file."""
    from safetensors.numpy import save_file

    arrays: dict[str, NDArray[Any]] = {}
    for i, view in enumerate(inputs.views):
        bgr = cv2.cvtColor(view.image, cv2.COLOR_RGB2BGR)
        arrays[f"{i}.jpeg"] = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].ravel()
        arrays[f"{i}.intrinsics_px"], arrays[f"{i}.cam_from_world"] = view.intrinsics_px, view.cam_from_world
        arrays[f"{i}.depth_range"] = np.array(view.depth_range)
        arrays[f"{i}.sparse_px"], arrays[f"{i}.sparse_depth"] = view.sparse_px, view.sparse_depth
    arrays["descriptors.0"], arrays["descriptors.1"] = inputs.descriptors
    facts = {"views": str(len(inputs.views)), "evaluations_a_pixel": json.dumps(inputs.evaluations_a_pixel)}
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, str(file), facts)


def load(file: Path) -> GpuInputs:
    """Read what :func:`save` wrote."""
    from safetensors import safe_open

    from e2e3d.data.dense import View

    with safe_open(str(file), "numpy") as stored:
        facts = stored.metadata()
        arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a mapping
    count = int(facts["views"])
    views = [
        View(
            name=str(i),
            image_index=i,
            image=cv2.cvtColor(cv2.imdecode(arrays[f"{i}.jpeg"], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB),
            mask=None,
            intrinsics_px=arrays[f"{i}.intrinsics_px"],
            cam_from_world=arrays[f"{i}.cam_from_world"],
            depth_range=(float(arrays[f"{i}.depth_range"][0]), float(arrays[f"{i}.depth_range"][1])),
            sources=tuple(j for j in range(count) if j != i),
            source_scores=np.ones(count - 1, np.float32),
            sparse_px=arrays[f"{i}.sparse_px"],
            sparse_depth=arrays[f"{i}.sparse_depth"],
        )
        for i in range(count)
    ]
    descriptors = arrays["descriptors.0"], arrays["descriptors.1"]
    return GpuInputs(views, descriptors, float(json.loads(facts["evaluations_a_pixel"])))


def scaled(view: View, size_px: int) -> View:
    """The view with a longest side of `size_px`, or as it is if that is no less."""
    height, width = view.image.shape[:2]
    if size_px >= max(height, width):
        return view
    scale = size_px / max(height, width)
    size = round(width * scale), round(height * scale)
    ratio = np.array([size[0] / width, size[1] / height])
    return dataclasses.replace(
        view,
        image=cv2.resize(view.image, size, interpolation=cv2.INTER_AREA),
        intrinsics_px=view.intrinsics_px * np.tile(ratio, 2),
        sparse_px=(view.sparse_px * ratio).astype(np.float32),
    )
