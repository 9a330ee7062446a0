"""Writes a finished run in the layout of another program."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Literal, get_args

from e2e3d.data.run_results import Results
from e2e3d.data.scene import Scene
from e2e3d.errors import SettingsError
from e2e3d.ops.formats.ply import write_colored_points_ply
from e2e3d.ops.photos.pinhole_scene import pinhole_scene
from e2e3d.ops.sfm.colmap_model import scene_to_reconstruction
from e2e3d.outputs.datasets.dataset_pictures import picture_name, write_pictures
from e2e3d.outputs.datasets.nerfstudio import transforms_document
from e2e3d.outputs.export import Writer
from e2e3d.storage.failures import machine_errors

Layout = Literal["colmap-text", "gsplat", "nerfstudio", "openmvs"]
_POINTS = "sparse_pc.ply"


def write_dataset(
    results: Results, layout: Layout, folder: Path, undistorted: bool = True, max_size_px: int | None = None
) -> Path:
    """Write pictures, cameras and sparse points of a run.

    Args:
        results: its records.
        layout: ``colmap-text`` (``images/`` and ``sparse/*.txt``), ``gsplat`` (``images/`` and ``sparse/0/*.bin``, as
            trainers of Gaussian splats read it), ``nerfstudio`` (``transforms.json``) or ``openmvs`` (``images/`` and
            ``sparse/*.txt`` for its InterfaceCOLMAP, always undistorted).
        folder: where to; a new or empty one.
        undistorted: whether the pictures are resampled to pinhole images; otherwise they are the photographs, upright,
            and the cameras have their lenses.
        max_size_px: longest side of an undistorted picture; None = that of the photograph.

    Returns:
        the folder.

    Raises:
        SettingsError: ``bad-setting`` for another layout, or what does not go together; ``folder-not-empty``.
        InputError: ``camera-model`` where a layout has no such lens.
        MachineError: when the disk is full or the folder cannot be written.
    """
    _check(layout, folder, undistorted, max_size_px)
    scene = results.mapping.scene
    pinholes, sizes = pinhole_scene(scene, max_size_px)
    shown = _with_picture_names(pinholes if undistorted else scene)
    document = transforms_document(shown, _POINTS) if layout == "nerfstudio" else None
    writer = Writer(folder)
    photos = {photo.name: (photo, data) for photo, data in zip(results.photos, results.photo_files, strict=True)}
    write_pictures(writer, scene, photos, sizes if undistorted else None)
    if document is not None:
        points, colors = shown.points_world, shown.colors
        writer.stream(_POINTS, lambda file: write_colored_points_ply(file, points, colors))
        writer.write("transforms.json", json.dumps(document, indent=1).encode() + b"\n")
    else:
        _write_colmap(folder / ("sparse/0" if layout == "gsplat" else "sparse"), shown, text=layout != "gsplat")
    return folder


def _check(layout: str, folder: Path, undistorted: bool, max_size_px: int | None) -> None:
    if layout not in get_args(Layout):
        choices = ", ".join(get_args(Layout))
        raise SettingsError("bad-setting", f"There is no layout {layout}.", f"Choose one of {choices}.")
    if not undistorted and layout in ("openmvs", "gsplat"):
        raise SettingsError("bad-setting", f"{layout} takes pinhole images only.", "Leave out undistorted=False.")
    if not undistorted and max_size_px is not None:
        raise SettingsError("bad-setting", "Only undistorted pictures are reduced.", "Leave out max_size_px.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError("folder-not-empty", f"{folder} holds something already.", "Name a new folder.")


def _with_picture_names(scene: Scene) -> Scene:
    images = tuple(dataclasses.replace(image, name=picture_name(image.name)) for image in scene.images)
    return dataclasses.replace(scene, images=images)


def _write_colmap(folder: Path, scene: Scene, text: bool) -> None:
    with machine_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        reconstruction = scene_to_reconstruction(scene)
        if text:
            reconstruction.write_text(str(folder))
        else:
            reconstruction.write_binary(str(folder))
