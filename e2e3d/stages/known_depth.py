"""Depth from elsewhere as the start of the stereo: a folder with one file a photograph."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import View
from e2e3d.errors import InputError
from e2e3d.stages.plugin_stage import plugin

_SUFFIXES = (".npy", ".png", ".tif", ".tiff", ".exr", ".pfm")
_FEWEST_POINTS = 4


def depth_files(folder: str | os.PathLike[str]) -> Callable[..., Any]:
    """A ``depth_start`` that reads ``FOLDER/<name of the photograph>.npy``, or .png, .tif, .exr or .pfm.

    A file holds the depth (z in the camera) of the undistorted view, at any size of its aspect and in any unit, 0 =
    unknown: its scale is found with the view's sparse points. A view without a file starts from its sparse points.

    Raises:
        InputError: ``no-depth-files`` where the folder holds none.
    """
    files = [path for path in sorted(Path(folder).rglob("*")) if path.suffix.lower() in _SUFFIXES]
    if not files:
        raise InputError(
            "no-depth-files",
            f"{folder} holds no depth.",
            "Save one file a photograph, such as IMG_1.npy or IMG_1.png for IMG_1.jpg.",
        )
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder).as_posix()}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return functools.partial(read_depth, folder=str(Path(folder).resolve()), content=digest.hexdigest())


@plugin(version=1, name="depth-files")
def read_depth(view: View, *, folder: str = "", content: str = "") -> NDArray[np.float32]:
    """The depth of a view from the file of its photograph in `folder`; `content` is a hash of all files there.

    Raises:
        InputError: ``bad-depth-file`` for a file that holds no depth.
    """
    stem = Path(folder) / Path(view.name).with_suffix("")
    for path in (Path(f"{stem}{suffix}") for suffix in _SUFFIXES):
        if path.is_file():
            return scaled_to_points(_read(path), view)
    return np.zeros((1, 1), np.float32)


def scaled_to_points(depth: NDArray[np.floating], view: View) -> NDArray[np.float32]:
    """Depth [h, w] of a view in any unit, in that of the model: by the median ratio at the view's sparse points.

    Zeros where the points do not say.
    """
    height, width = view.image.shape[:2]
    column = (view.sparse_px[:, 0] * depth.shape[1] / width).astype(int)
    row = (view.sparse_px[:, 1] * depth.shape[0] / height).astype(int)
    inside = (column >= 0) & (column < depth.shape[1]) & (row >= 0) & (row < depth.shape[0])
    there, known = depth[row[inside], column[inside]], view.sparse_depth[inside]
    usable = np.isfinite(there) & (there > 0) & (known > 0)
    if usable.sum() < _FEWEST_POINTS:
        return np.zeros(depth.shape, np.float32)
    return np.asarray(depth * float(np.median(known[usable] / there[usable])), np.float32)


def _read(path: Path) -> NDArray[np.float32]:
    try:
        found = np.load(path) if path.suffix == ".npy" else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    except (OSError, ValueError, cv2.error) as error:
        raise InputError("bad-depth-file", f"{path} cannot be read: {error}.", "Save it as .npy, [H, W].") from error
    if found is None or found.ndim != 2 or found.dtype.kind not in "fiu":
        raise InputError("bad-depth-file", f"{path} holds no depth.", "Save numbers [H, W], such as float32 in .npy.")
    return np.asarray(found, np.float32)
