"""The libraries that draw, which are an extra: ``pip install 'e2e3d[notebooks]'``."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from e2e3d.errors import MachineError


def drawing_library(name: str) -> ModuleType:
    """A module of matplotlib or plotly.

    Raises:
        MachineError: ``missing-package`` where it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        raise MachineError(
            "missing-package", f"{package} is not installed.", "Plots need it: pip install 'e2e3d[notebooks]'."
        ) from error
