"""E2E3D turns photographs into textured 3D models.

``e2e3d.reconstruct(photos, out)`` makes one, ``e2e3d.open(out)`` opens what it made; docs/python.md shows the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from e2e3d.api import evaluate, open, reconstruct  # noqa: A004
    from e2e3d.config.run_config import Config
    from e2e3d.errors import E2E3DError
    from e2e3d.inspection.result import Result
    from e2e3d.ops.formats.conversions import scene_from_colmap, to_open3d, to_pycolmap, to_trimesh
    from e2e3d.stages.plugin_stage import plugin

_HOMES = {
    "Config": "config.run_config",
    "E2E3DError": "errors",
    "Result": "inspection.result",
    "evaluate": "api",
    "open": "api",
    "plugin": "stages.plugin_stage",
    "reconstruct": "api",
    "scene_from_colmap": "ops.formats.conversions",
    "to_open3d": "ops.formats.conversions",
    "to_pycolmap": "ops.formats.conversions",
    "to_trimesh": "ops.formats.conversions",
}
__all__ = [
    "Config",
    "E2E3DError",
    "Result",
    "evaluate",
    "open",
    "plugin",
    "reconstruct",
    "scene_from_colmap",
    "to_open3d",
    "to_pycolmap",
    "to_trimesh",
]


def __getattr__(name: str) -> Any:
    """Import the Python interface when it is first used, so that ``import e2e3d`` costs nothing."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"e2e3d.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
