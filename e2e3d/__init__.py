"""E2E3D turns photographs into textured 3D models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from e2e3d.api import Result, open, reconstruct  # noqa: A004
    from e2e3d.stages.plugin_stage import plugin

__all__ = ["Result", "open", "plugin", "reconstruct"]


def __getattr__(name: str) -> Any:
    """Import the Python interface when it is first used, so that ``import e2e3d`` costs nothing."""
    if name == "plugin":
        from e2e3d.stages.plugin_stage import plugin

        return plugin
    if name in __all__:
        from e2e3d import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
