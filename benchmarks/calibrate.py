"""Fit what a depth's and a point's confidence mean: the log-odds of being within two footprints of the exact surface.

usage: PYTHONPATH=. python benchmarks/calibrate.py

Renders arcs of photographs of a plaster figure at two contrasts, computes their depths, compares them with the surface,
and prints the coefficients for `e2e3d/ops/stereo/view_agreement.py` and `e2e3d/ops/fusion/point_fusion.py`. Takes some
four CPU minutes.
"""

from __future__ import annotations

import importlib
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from e2e3d.config.consistency import REFINEMENTS
from e2e3d.data.dense import DepthMap, View
from e2e3d.data.ref import Ref
from e2e3d.ops.fusion import fusion_view
from e2e3d.ops.fusion import point_fusion as fusion
from e2e3d.ops.sample.sample_scene import SampleScene, build_sample_scene
from e2e3d.ops.sample.sample_shading import KNOT, PLINTH
from e2e3d.ops.stereo import patchmatch
from e2e3d.ops.stereo.view_agreement import measure_agreement
from e2e3d.stages import consistency, depth
from e2e3d.stages.stage import RunContext

plaster: Any = importlib.import_module("tests.ops.plaster")

CONTRASTS = (0.12, 0.05)
PHOTOGRAPHS = 12
RING = 40  # a photograph every nine degrees
SOURCES = 6
WITHIN_PX = 2


def main() -> None:
    """Print both fits."""
    scene = plaster_scene()
    depths, points = [], []
    for contrast in CONTRASTS:
        views, exact = arc(scene, contrast)
        maps, features = depth_maps(views, exact, scene)
        depths.append(features)
        points.append(fused(views, maps, scene))
    for name, rows in (("constant, count, support, cost, cost x count", depths), ("constant, evidence", points)):
        table = np.concatenate(rows)
        print(f"{name}: {fit(table[:, :-1], table[:, -1]).round(2).tolist()}")


def plaster_scene() -> SampleScene:
    """The surface that the photographs show."""
    scene = build_sample_scene(200)
    kept = np.isin(scene.materials, [KNOT, PLINTH])
    return SampleScene(scene.vertices_world, scene.faces[kept], scene.materials[kept])


def arc(scene: SampleScene, contrast: float) -> tuple[list[View], list[NDArray[np.float32]]]:
    """Photographs of a part of a ring, with exact cameras and sparse points, and their exact depths."""
    poses = plaster.ring_poses(RING)[:PHOTOGRAPHS]
    views, exact = [], []
    for i, image in enumerate(plaster.plaster_photographs(poses, contrast)):
        truth = scene.render(plaster.INTRINSICS, poses[i], plaster.WIDTH, plaster.HEIGHT, 1).depth
        rng = np.random.default_rng(i)
        ys, xs = np.nonzero(truth)
        chosen = rng.choice(len(ys), 400, replace=False)
        order = np.argsort(np.abs(np.arange(PHOTOGRAPHS) - i), kind="stable")[1:].tolist()
        views.append(
            View(
                name=f"{i}",
                image_index=i,
                image=image,
                mask=None,
                intrinsics_px=np.array(plaster.INTRINSICS),
                cam_from_world=poses[i],
                depth_range=(0.5 * float(truth[truth > 0].min()), 1.4 * float(truth.max())),
                sources=tuple(order[:SOURCES]),
                source_scores=np.ones(SOURCES, np.float32),
                sparse_px=np.stack([xs, ys], 1)[chosen].astype(np.float32) + np.float32(0.5),
                sparse_depth=truth[ys, xs][chosen],
            )
        )
        exact.append(truth)
    return views, exact


def depth_maps(
    views: list[View], exact: list[NDArray[np.float32]], scene: SampleScene
) -> tuple[list[DepthMap], NDArray[np.float64]]:
    """Filtered depths, and for every fifth depth before the filter its features, and whether it is right."""
    context, refs, rows = RunContext(), [Ref.of(view) for view in views], []
    seen: dict[str, Any] = {}

    def watched(problem: Any, state: Any, *arguments: Any) -> Any:
        seen["planes"], seen["agreement"] = state.plane, measure_agreement(problem, state, *arguments)
        return seen["agreement"]

    near = [tuple(refs[j] for j in view.sources) for view in views]
    found = [depth.run(depth.DepthInputs(refs[i], near[i]), depth.DepthConfig(), context) for i in range(len(views))]

    def inputs(i: int) -> consistency.ConsistencyInputs:
        around = tuple(Ref.of(found[j]) for j in views[i].sources)
        return consistency.ConsistencyInputs(refs[i], near[i], Ref.of(found[i]), around)

    config = consistency.ConsistencyConfig()
    for _ in REFINEMENTS:
        found = [consistency.refine(inputs(i), config, context) for i in range(len(views))]
    maps = []
    with mock.patch.object(patchmatch, "measure_agreement", watched):
        for i, view in enumerate(views):
            maps.append(consistency.run(inputs(i), config, context))
            count, support, cost = seen["agreement"]
            judged = (exact[i] > 0) & (count > 0)
            right = surface_distances(scene, world_points(view, seen["planes"][..., 0], judged))
            right = right < WITHIN_PX * exact[i][judged] / plaster.INTRINSICS[0]
            k, s, c = count[judged].astype(float), support[judged], cost[judged]
            rows.append(np.stack([k, s, c, c * k, right], 1)[::5])
    return maps, np.concatenate(rows)


def fused(views: list[View], maps: list[DepthMap], scene: SampleScene) -> NDArray[np.float64]:
    """The evidence of every fused point, and whether it is right."""
    prepared = [fusion_view.prepare_view(view, found) for view, found in zip(views, maps, strict=True)]
    clouds = [
        fusion.fuse_view(one, [other for other in prepared if other is not one], fusion.FusionConfig())
        for one in prepared
    ]
    cloud = fusion.merge_clouds(clouds)
    distances = surface_distances(scene, cloud.points_world)
    odds = np.clip(cloud.confidence.astype(float), 1e-6, 1 - 1e-6)
    constant, of_evidence = fusion._LOG_ODDS
    evidence = (np.log(odds / (1 - odds)) - constant) / of_evidence
    return np.stack([evidence, distances < WITHIN_PX * cloud.footprint], 1)


def world_points(view: View, inverse: NDArray[np.float32], chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """float32 [N, 3]: the points of the chosen pixels of a map of inverse depth."""
    fx, fy, cx, cy = view.intrinsics_px
    ys, xs = np.nonzero(chosen)
    points_cam = np.stack([(xs + 0.5 - cx) / fx, (ys + 0.5 - cy) / fy, np.ones(len(xs))], 1) / inverse[chosen][:, None]
    return np.asarray((points_cam - view.cam_from_world[:, 3]) @ view.cam_from_world[:, :3], np.float32)


def surface_distances(scene: SampleScene, points_world: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [N]: distance of points to the exact surface."""
    import open3d as o3d

    caster = o3d.t.geometry.RaycastingScene()
    caster.add_triangles(o3d.core.Tensor(scene.vertices_world), o3d.core.Tensor(scene.faces.astype(np.uint32)))
    return np.asarray(caster.compute_distance(o3d.core.Tensor(points_world)).numpy())


def fit(features: NDArray[np.float64], right: NDArray[np.float64], steps: int = 30) -> NDArray[np.float64]:
    """Coefficients of a logistic regression, the constant first, by Newton's method."""
    table = np.concatenate([np.ones((len(features), 1)), features], 1)
    coefficients = np.zeros(table.shape[1])
    for _ in range(steps):
        odds = 1 / (1 + np.exp(-table @ coefficients))
        curvature = (table * (odds * (1 - odds))[:, None]).T @ table + 1e-6 * np.eye(len(coefficients))
        coefficients += np.linalg.solve(curvature, table.T @ (right - odds))
    return coefficients


if __name__ == "__main__":
    main()
