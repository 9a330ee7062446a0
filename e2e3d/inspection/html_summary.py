"""A result as notebooks show it: a small table beside a picture."""

from __future__ import annotations

import html
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.mesh import TexturedMesh
from e2e3d.data.scene import Scene
from e2e3d.ops.evaluation.rendering import Renderer
from e2e3d.outputs.report.imagery import data_uri, side_pictures

_THUMB_PX = 320


def model_uri(scene: Scene, textured: TexturedMesh) -> str:
    """Data URI of the model from its first side."""
    return side_pictures(Renderer(textured), scene, textured.mesh)[0][1]


def thumbnail_uri(image: NDArray[np.uint8]) -> str:
    """Data URI of a small copy of an image."""
    height, width = image.shape[:2]
    scale = min(1.0, _THUMB_PX / max(height, width))
    return data_uri(cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA))


def table_html(title: str, rows: Mapping[str, object], picture: str | None) -> str:
    """Rows of names and values, with a picture on the right."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    image = "" if picture is None else f"<img src='{picture}' style='height:240px;margin-left:1em'>"
    table = f"<table><caption>{html.escape(title)}</caption>{cells}</table>"
    return f"<div style='display:flex;align-items:center'>{table}{image}</div>"
