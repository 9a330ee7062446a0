"""The libraries that draw and tabulate, which are an extra: ``pip install 'e2e3d[notebooks]'``."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from e2e3d.errors import MachineError


def notebook_library(name: str) -> ModuleType:
    """A module of matplotlib, plotly or pandas.

    Raises:
        MachineError: ``missing-package`` where it is not installed.
    """
    try:
        module = import_module(name)
        if name == "matplotlib.figure":
            _show_in_notebooks(module.Figure)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        raise MachineError(
            "missing-package", f"{package} is not installed.", "It comes with pip install 'e2e3d[notebooks]'."
        ) from error
    return module


def _show_in_notebooks(figure: type[object]) -> None:
    """Let IPython show figures as pictures, also those that pyplot did not make; formats that a user chose stay."""
    if "IPython" not in sys.modules:
        return
    from IPython import get_ipython
    from IPython.core.pylabtools import select_figure_formats

    shell = get_ipython()
    if shell is not None and figure not in shell.display_formatter.formatters["image/png"]:
        select_figure_formats(shell, {"png"})
