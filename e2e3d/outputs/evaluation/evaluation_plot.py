"""An evaluation as charts: errors of cameras, scores of photographs, precision and recall of surfaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from e2e3d.ops.evaluation.camera_errors import PoseError
from e2e3d.ops.evaluation.surface import SurfaceScore
from e2e3d.runtime.notebook_extra import notebook_library

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HELD_OUT_COLOUR, _USED_COLOUR = "tab:orange", "tab:blue"


@dataclass(frozen=True)
class PhotographScore:
    """Rephotography of one photograph; `held_out` says whether the model was made without it."""

    name: str
    held_out: bool
    coverage: float
    ncc: float
    score: float


def plot_evaluation(
    cameras: Sequence[PoseError],
    views: Sequence[PhotographScore],
    surfaces: Mapping[str, Sequence[SurfaceScore] | None],
) -> Figure:
    """One chart for each kind of figure that there is.

    Raises:
        MachineError: ``missing-package`` where matplotlib is not installed.
    """
    figures = notebook_library("matplotlib.figure")
    charts: list[Callable[[Axes], None]] = []
    if cameras:
        charts.append(lambda axes: _bars(axes, cameras, "position error (unit of the reference)"))
    if views:
        charts.append(lambda axes: _scores(axes, views))
    known = {name: scores for name, scores in surfaces.items() if scores}
    if known:
        charts.append(lambda axes: _surfaces(axes, known))
    figure: Figure = figures.Figure(figsize=(5 * max(len(charts), 1), 4), layout="constrained")
    for number, draw in enumerate(charts):
        draw(figure.add_subplot(1, len(charts), number + 1))
    return figure


def _bars(axes: Axes, cameras: Sequence[PoseError], label: str) -> None:
    ordered = sorted(cameras, key=lambda error: error.position)
    axes.barh([error.name for error in ordered], [error.position for error in ordered])
    axes.ticklabel_format(axis="x", scilimits=(-2, 4))
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(label)
    axes.set_title("cameras")


def _scores(axes: Axes, views: Sequence[PhotographScore]) -> None:
    ordered = sorted(views, key=lambda view: view.score)
    colours = [_HELD_OUT_COLOUR if view.held_out else _USED_COLOUR for view in ordered]
    axes.barh([view.name for view in ordered], [view.score for view in ordered], color=colours)
    axes.set_xlim(0, 1)
    axes.set_xlabel("coverage x correlation" + (", orange: held out" if any(v.held_out for v in views) else ""))
    axes.set_title("photographs")


def _surfaces(axes: Axes, surfaces: Mapping[str, Sequence[SurfaceScore]]) -> None:
    for name, scores in surfaces.items():
        distances = [score.threshold for score in scores]
        axes.plot(distances, [score.f_score for score in scores], marker="o", label=f"{name}, F-score")
        axes.plot(distances, [score.precision for score in scores], ":", label=f"{name}, precision")
        axes.plot(distances, [score.recall for score in scores], "--", label=f"{name}, recall")
    axes.set_xlabel("distance (pixels)")
    axes.set_ylim(0, 1)
    axes.legend()
    axes.set_title("surface")
