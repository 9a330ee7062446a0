"""PatchMatch over a pyramid: the photometric pass and the geometric-consistency pass of one view.

After ACMM (Xu and Tao, CVPR 2019): much search where the image is small, little where it is large. Planes carry over
between levels exactly (inverse depth is linear on a plane); at the finest level most neighbours agree already, and such
hypotheses are skipped without an evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import DepthMap, View
from e2e3d.ops.stereo.blank_regions import blank_regions, incoherent_regions
from e2e3d.ops.stereo.coherence import coherent
from e2e3d.ops.stereo.gaps import FILLED_CONFIDENCE, planes_of_gaps
from e2e3d.ops.stereo.ground_plane import ground_plane
from e2e3d.ops.stereo.problem import Launcher, Problem, State, Sweep
from e2e3d.ops.stereo.pyramid import GreyView, MatchSettings, build_problem, calibration, grey_view, level_sizes
from e2e3d.ops.stereo.sparse_planes import common_planes, planes_at_pixels, sparse_points_in
from e2e3d.ops.stereo.start_planes import maps_from_planes, planes_from_maps, planes_from_points, upsample_planes
from e2e3d.ops.stereo.support import supported
from e2e3d.ops.stereo.view_agreement import combined_confidence, measure_agreement
from e2e3d.ops.stereo.view_propagation import propagated_planes
from e2e3d.ops.stereo.walls import planes_of_walls

# After these sweeps a plane drawn from the whole range hardly ever wins.
_DRAWING_SWEEPS = 3
_PARABOLA_PX = 0.5
_POROUS_REACH_PX = 2  # depths of one surface may have so little between them: foliage


@dataclass(frozen=True)
class SearchSettings:
    """How much is searched; see :class:`e2e3d.config.depth.DepthConfig`.

    Attributes:
        coarsest_px: the longest side of the coarsest level is at least this.
        views: sources that a pixel is matched with.
        sweeps: red-black sweeps at the coarsest level, at those between, and at the finest.
    """

    coarsest_px: int
    views: int
    sweeps: tuple[int, int, int]
    seed: int


@dataclass(frozen=True)
class AgreementSettings:
    """What a depth must fulfil to stay; see :class:`e2e3d.config.consistency.ConsistencyConfig`."""

    min_views: int
    max_error_px: float
    max_depth_ratio: float
    max_cost: float
    min_confidence: float


@dataclass(frozen=True)
class SweepPlan:
    """The sweeps of one level: how many, and what each visit tries (see :class:`Sweep`)."""

    sweeps: int
    far: bool
    draws: int
    perturbations: int
    step_px: float
    views: int
    parabola_px: float = 0.0


def _plan(search: SearchSettings, place: int) -> SweepPlan:
    """Plan of the coarsest (0), a middle (1) or the finest level (2)."""
    if place == 0:
        return SweepPlan(search.sweeps[0], True, 2, 3, 2.0, search.views)
    return SweepPlan(search.sweeps[place], place == 1, 0, 3, 0.5, search.views)


def _geometric_plan(search: SearchSettings) -> SweepPlan:
    """Plan of the geometric pass: its planes are all but right, so their depths are refined instead of perturbed."""
    return SweepPlan(search.sweeps[2], False, 0, 0, 0.0, search.views, _PARABOLA_PX)


def improve(problem: Problem, starts: NDArray[np.float32], plan: SweepPlan, seed: int, launcher: Launcher) -> State:
    """Run the sweeps of one level from the best of `starts`, [H, W, K, 3]; deterministic, whatever the threads."""
    views = min(plan.views, len(problem.layout))
    sweeps = [
        Sweep(
            colour=np.int32(colour),
            stream=np.int32((seed * 64 + iteration) * 2 + colour),
            far=np.int32(plan.far),
            draws=np.int32(plan.draws if iteration < _DRAWING_SWEEPS else 0),
            perturbations=np.int32(plan.perturbations),
            step_px=np.float32(plan.step_px * 0.5**iteration),
            views=np.int32(views),
            parabola_px=np.float32(plan.parabola_px),
        )
        for iteration in range(plan.sweeps)
        for colour in range(2)
    ]
    return launcher.improve(problem, np.ascontiguousarray(starts), views, sweeps)


def photometric_depth(
    view: View,
    sources: Sequence[View],
    settings: MatchSettings,
    search: SearchSettings,
    launcher: Launcher,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Depth [H, W], normals [H, W, 3] and photometric cost [H, W] of a view, coarse to fine, from colours alone.

    Every usable pixel gets its best plane, however bad; judging it is left to the geometric-consistency pass.
    """
    height, width = view.image.shape[:2]
    reference, greys = grey_view(view), [grey_view(source) for source in sources]
    sizes = level_sizes(width, height, search.coarsest_px)
    planes = planes_from_points(
        view.sparse_px * (sizes[0][0] / width), view.sparse_depth, sizes[0], view.depth_range, search.seed
    )
    problem: Problem | None = None
    state: State | None = None
    for level, size in enumerate(sizes):
        last = level == len(sizes) - 1
        finer = build_problem(reference, greys, None, size, view.depth_range, settings, last)
        if problem is not None and state is not None:
            planes = upsample_planes(problem, state, finer.grey, settings.color_scale, launcher.threads)
        problem = finer
        plan = _plan(search, 0 if level == 0 else (2 if last else 1))
        starts = planes[:, :, None]
        if level == 0:
            starts = np.concatenate([starts, _large_planes(view, sources, reference, greys, problem, planes)], 2)
        state = improve(problem, starts, plan, search.seed * 16 + level, launcher)
    assert problem is not None
    assert state is not None
    keep = (problem.usable > 0) & np.isfinite(state.cost)
    depth, normal = maps_from_planes(state.plane, keep, problem.camera)
    return depth, normal, state.cost


def _large_planes(
    view: View,
    sources: Sequence[View],
    reference: GreyView,
    greys: Sequence[GreyView],
    problem: Problem,
    planes: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Planes [H, W, K, 3] at one level that may go through much of the view; `planes` [H, W, 3] of sparse points."""
    found = common_planes(sparse_points_in(view, sources, problem.camera), float(problem.search.inverse_shift))
    behind = np.asarray(1 / planes[..., 0], np.float32)
    ground = ground_plane(reference, greys, behind, view.depth_range) if len(view.sparse_px) else None
    if ground is not None:
        found.append(ground @ np.linalg.inv(calibration(np.array(problem.camera, np.float64))))
    return planes_at_pixels(found, problem.grey.shape, view.depth_range)


def consistent_depth(
    view: View,
    sources: Sequence[View],
    depth: DepthMap,
    source_depths: Sequence[DepthMap],
    settings: MatchSettings,
    search: SearchSettings,
    agreement: AgreementSettings,
    launcher: Launcher,
    drop: bool = True,
) -> DepthMap:
    """Improve a depth map under the reprojection error to its sources' depth maps, and `drop` what still disagrees.

    Small gaps that this leaves in weak texture are filled, with little confidence (:mod:`e2e3d.ops.stereo.gaps`).
    If nothing is dropped, every pixel keeps a depth, with the probability that it is right as confidence.
    """
    height, width = view.image.shape[:2]
    maps = [source.depth for source in source_depths]
    greys = [grey_view(source) for source in sources]
    problem = build_problem(grey_view(view), greys, maps, (width, height), view.depth_range, settings, True)
    problem.usable[np.asarray(depth.depth) <= 0] = 0
    planes = planes_from_maps(np.array(depth.depth), np.array(depth.normal_cam), problem.camera)
    candidates = propagated_planes(view, planes, sources, source_depths, float(problem.search.inverse_shift))
    starts = np.concatenate([planes[:, :, None], candidates], 2)
    del planes, candidates
    state = improve(problem, starts, _geometric_plan(search), search.seed * 16 + 15, launcher)
    del starts
    agreed = measure_agreement(problem, state, agreement.max_error_px, agreement.max_depth_ratio, launcher.threads)
    confidence = combined_confidence(agreed)
    if not drop:
        keep = (problem.usable > 0) & np.isfinite(state.cost)
        new_depth, normal = maps_from_planes(state.plane, keep, problem.camera)
        return DepthMap(new_depth, normal, np.where(keep, confidence, np.float32(0)))
    needed = min(agreement.min_views, len(sources))
    keep = (agreed.agreeing >= needed) & (agreed.cost <= agreement.max_cost) & (confidence >= agreement.min_confidence)
    radius_px, inverse_shift = settings.window_radius_px, float(problem.search.inverse_shift)

    def on_surface(depths: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
        backed = supported(problem.grey, depths, radius_px)
        return coherent(state.plane, backed, agreed.agreeing, inverse_shift, (2 * radius_px + 1) ** 2, reach_px)

    region = blank_regions(problem.grey, radius_px)
    empty = incoherent_regions(region, keep, on_surface(keep, 1)) if region.any() else np.zeros_like(keep)
    keep = on_surface(keep & ~empty, _POROUS_REACH_PX)  # anew, for what is gone supports nothing
    confidence = np.where(keep, confidence, np.float32(0))
    gap = (problem.usable > 0) & ~keep & ~empty
    filled, of_wall = planes_of_walls(state.plane, region, keep, gap, inverse_shift)
    filled, between = planes_of_gaps(filled, confidence, gap & ~of_wall, problem.grey, inverse_shift)
    found = of_wall | between
    confidence[found] = FILLED_CONFIDENCE
    new_depth, normal = maps_from_planes(filled, keep | found, problem.camera)
    return DepthMap(new_depth, normal, confidence)
