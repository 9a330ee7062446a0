"""What the kernels work on: one view, its sources and the search at one level of the pyramid, as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.stereo.planes import Intrinsics

MAX_SOURCES = 16
SAMPLES = 32  # of a window
WINDOW_FLOATS, PATCH_FLOATS = 4 * SAMPLES, 6 * SAMPLES
COST_SCALE = np.float32(65535.0 / 4.0)


class Search(NamedTuple):
    """Scalars of the search at one level, float32.

    Attributes:
        w_min, w_max: range of inverse depth that planes are drawn from.
        inverse_shift: change of inverse depth that moves a source position by about one pixel.
        inverse_color_scale: 1 / colour difference at which a window sample counts half.
        noise_variance: variance of the greys' noise, added to both variances of the correlation.
        geometric_weight: cost of one pixel of reprojection error; 0 = off. `geometric_limit_px` truncates it.
        radius_px: of the wide window.
        fine_variance: variance of the greys from which the fine window is used; 0 = never.
        w_limit: largest inverse depth of a plane that was not drawn.
    """

    w_min: np.float32
    w_max: np.float32
    inverse_shift: np.float32
    inverse_color_scale: np.float32
    noise_variance: np.float32
    geometric_weight: np.float32
    geometric_limit_px: np.float32
    radius_px: np.float32
    fine_variance: np.float32
    w_limit: np.float32


class Problem(NamedTuple):
    """One reference view with S sources at one level; pixel units are those of the level. All arrays C-contiguous.

    Attributes:
        grey: uint8 [H, W]; `usable` uint8 [H, W], 1 = find a depth here.
        offset_x, offset_y: float32 [2, 32], the samples of the fine and of the wide window.
        camera: of the reference; `search` the scalars.
        texels: uint32 [T], the sources' 2 x 2 neighbourhoods, one image after another.
        layout: int32 [S, 3]: start in `texels`, width, height of each source.
        forward: float32 [S, 3, 4]: [A b] with source pixel ~ A (x, y, 1) + b / depth, see :func:`pyramid.transfer`.
        source_usable: uint8 [T], laid out as `texels`, 0 = matches nothing; [1] when no source has a mask.
        source_depth: float32 [T], laid out as `texels`; [1] when the geometric term is off.
        backward: float32 [S, 3, 4]: the same as `forward`, from the source to the reference.
    """

    grey: NDArray[np.uint8]
    usable: NDArray[np.uint8]
    offset_x: NDArray[np.float32]
    offset_y: NDArray[np.float32]
    camera: Intrinsics
    texels: NDArray[np.uint32]
    layout: NDArray[np.int32]
    forward: NDArray[np.float32]
    source_usable: NDArray[np.uint8]
    source_depth: NDArray[np.float32]
    backward: NDArray[np.float32]
    search: Search


class DepthArrays(NamedTuple):
    """A depth map as kernels take it.

    Attributes:
        depth: float32 [H, W]; `normal_cam` float32 [H, W, 3]; `confidence` float32 [H, W].
        camera: of the view.
    """

    depth: NDArray[np.float32]
    normal_cam: NDArray[np.float32]
    confidence: NDArray[np.float32]
    camera: Intrinsics


class State(NamedTuple):
    """The hypotheses of all pixels.

    Attributes:
        plane: float32 [H, W, 3]: (w, gx, gy), see :mod:`planes`.
        cost: float32 [H, W], aggregated cost of the plane; what neighbours choose by.
        view_cost: uint16 [H, W, S], cost of the plane in each source, times ``COST_SCALE``.
    """

    plane: NDArray[np.float32]
    cost: NDArray[np.float32]
    view_cost: NDArray[np.uint16]


class Sweep(NamedTuple):
    """One red-black sweep: float32 and int32 scalars.

    Attributes:
        colour: 0 or 1, the half of the checkerboard; `stream` a number that differs for every half sweep.
        far: 1 to look at far neighbours too; `draws` how many planes to draw from the whole range.
        perturbations: how many perturbed planes to try; `step_px` their size, as shift in the sources.
        views: how many sources a pixel is matched with.
        parabola_px: half the width of the parabola that refines the depth, as shift in the sources; 0 = none.
    """

    colour: np.int32
    stream: np.int32
    far: np.int32
    draws: np.int32
    perturbations: np.int32
    step_px: np.float32
    views: np.int32
    parabola_px: np.float32


class Scratch(NamedTuple):
    """Memory of one thread.

    Attributes:
        patch: float32 [PATCH_FLOATS], or [WINDOW_FLOATS] without `quads`: the window of the pixel that is visited, see
            :mod:`correlation`.
        weights: float32 [MAX_SOURCES]; `chosen` int32 [MAX_SOURCES], the sources that it is matched with.
        quads: uint32 [32] for processors that want the loads of a correlation in a loop of their own, else None.
    """

    patch: NDArray[np.float32]
    weights: NDArray[np.float32]
    chosen: NDArray[np.int32]
    quads: NDArray[np.uint32] | None


class Launcher(Protocol):
    """Runs the kernels somewhere; `threads` is for the small CPU steps between levels."""

    threads: int

    def improve(self, problem: Problem, starts: NDArray[np.float32], views: int, sweeps: Sequence[Sweep]) -> State:
        """Choose among the planes to start from, [H, W, K, 3], zeros = none; then run the sweeps."""
        ...


def new_state(problem: Problem) -> State:
    """A state of the right size, not filled yet."""
    height, width = problem.grey.shape
    return State(
        np.zeros((height, width, 3), np.float32),
        np.empty((height, width), np.float32),
        np.zeros((height, width, len(problem.layout)), np.uint16),
    )
