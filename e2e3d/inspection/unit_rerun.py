"""One unit of a finished run computed again, in this process, with other settings; nothing is stored."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from e2e3d.config.overrides import apply_overrides
from e2e3d.config.undistort import UndistortConfig
from e2e3d.data.ref import Ref
from e2e3d.errors import SettingsError
from e2e3d.inspection.run_records import RunRecords
from e2e3d.inspection.used_plugins import with_changes
from e2e3d.pipeline.dense_passes import near_views
from e2e3d.pipeline.passes import Pass
from e2e3d.pipeline.pipeline import features_unit, match_unit, texture_unit, undistort_unit
from e2e3d.pipeline.plugins import NO_PLUGINS, Given, Plugins
from e2e3d.pipeline.units import bind
from e2e3d.runtime.threads import core_count
from e2e3d.stages import consistency, depth, features, matching, mesh, texture, undistort
from e2e3d.stages.stage import RunContext, Stage


@dataclass(frozen=True)
class Rerun:
    """What one unit is computed from.

    Attributes:
        records: of the run.
        config: settings of the stage, with the changes.
        names: of the photographs that the unit is about.
        plugins: what takes the place of the stage.
        made: values that are not in the store, by their keys.
    """

    records: RunRecords
    config: Any
    names: tuple[str, ...]
    plugins: Plugins = NO_PLUGINS
    made: dict[str, Any] = field(default_factory=dict)

    def compute(self, stage: Stage[Any, Any, Any], inputs: object, device: str, config: Any = None) -> Any:
        """The result of the unit."""
        unit = self.plugins.applied_to(Pass(stage, [inputs], self.config if config is None else config))
        resources = unit.stage.resources
        context = RunContext(device if resources.gpu else "cpu", resources.cpus or core_count())
        return unit.stage.run(bind(inputs, self._load), unit.config, context)

    def _load(self, ref: Ref[Any]) -> Any:
        return self.made[ref.key] if ref.key in self.made else self.records.store.get(ref.key, ref.type)


def rerun(
    records: RunRecords,
    stage: str,
    names: tuple[str, ...],
    changes: Mapping[str, object],
    device: str = "cpu",
    stages: Mapping[str, Given] | None = None,
) -> Any:
    """Compute a unit again.

    Args:
        records: of the run.
        stage: ``features`` (of one photograph), ``matching`` (of two), ``undistort``, ``depth``, ``refinement`` or
            ``consistency`` (of one with a view), ``mesh`` or ``texture``.
        names: the photographs.
        changes: to the settings of that stage, or of the function of one's own in its place, by name.
        device: ``cpu`` or ``cuda``.
        stages: of one's own; None = those that the run has used.

    Returns:
        what the stage returns: Features, MatchBlock, View, DepthMap, Mesh or TexturedMesh.

    Raises:
        SettingsError: ``unknown-stage``, ``unknown-setting``, ``bad-setting``, and as
            :meth:`~e2e3d.inspection.used_plugins.UsedPlugins.of`.
        InputError: for a photograph that has no such result, or the wrong number of them.
        MachineError: ``artifact-missing`` when the store was pruned.
    """
    if stage not in _STAGES:
        raise SettingsError("unknown-stage", f"{stage} cannot be run again.", f"Choose {', '.join(_STAGES)}.")
    count, section, compute = _STAGES[stage]
    if len(names) != count:
        wanted = ("no photograph", "one photograph", "two photographs")[count]
        raise SettingsError("bad-setting", f"{stage} was given {len(names)} photographs.", f"It takes {wanted}.")
    if section == "undistort":
        base: Any = UndistortConfig(max_size_px=records.config.depth.max_size_px)
    else:
        base = operator.attrgetter(section)(records.config)
    plugins, left = with_changes(records.plugins.of(stage, stages), changes)
    return compute(Rerun(records, apply_overrides(base, left), names, plugins), device)


def _features(work: Rerun, device: str) -> Any:
    place, keys = work.records.place(work.names[0]), work.records.keys
    again = "features 2" in keys
    still = work.records.ref("still_regions", keys["still_regions"][0]) if again else None
    return work.compute(features.STAGE, features_unit(work.records.usable[place], still, place), device)


def _matching(work: Rerun, device: str) -> Any:
    pair = np.array([sorted(work.records.place(name) for name in work.names)], np.int32)
    results, again = work.records.results, "matching 2" in work.records.keys
    return work.compute(matching.STAGE, match_unit(pair, work.records.usable, results.features, again), device)


def _undistort(work: Rerun, device: str) -> Any:
    return _view(work, work.records.view_place(work.names[0]), work.config, device)


def _view(work: Rerun, place: int, config: UndistortConfig, device: str) -> Any:
    geometry = work.records.results.geometry[place]
    photo = work.records.usable[geometry.photo_index]
    unit = undistort_unit(photo, work.records.results.mapped, geometry.image_index)
    return work.compute(undistort.STAGE, unit, device, config)


def _depth(work: Rerun, device: str) -> Any:
    """Of the view that the run has; with another size of freshly undistorted photographs."""
    results, place = work.records.results, work.records.view_place(work.names[0])
    wanted = [place, *near_views(results.geometry)[place][: work.config.sources]]
    views = [results.views[i] for i in wanted]
    if work.config.max_size_px != work.records.config.depth.max_size_px:
        config = UndistortConfig(max_size_px=work.config.max_size_px)
        views = [Ref.of(_view(work, i, config, device)) for i in wanted]
        work.made.update({ref.key: ref.load() for ref in views})
    return work.compute(depth.STAGE, depth.DepthInputs(views[0], tuple(views[1:])), device)


def _refinement(work: Rerun, device: str) -> Any:
    return work.compute(consistency.REFINE_STAGE, _with_depths(work, "depth"), device)


def _consistency(work: Rerun, device: str) -> Any:
    before = [label for label in work.records.keys if label.startswith("refinement") and "," not in label][-1]
    unit = _with_depths(work, before)
    smaller = [label.removeprefix("consistency, ") for label in work.records.keys if label.startswith("consistency, ")]
    if smaller:
        place = work.records.view_place(work.names[0])
        image = work.records.results.geometry[place].image_index
        pair = (
            work.records.passes[f"undistort, {smaller[-1]}"][image],
            work.records.passes[f"consistency, {smaller[-1]}"][place],
        )
        unit = replace(unit, coarser=consistency.CoarserDepth(*pair))
    return work.compute(consistency.STAGE, unit, device)


def _with_depths(work: Rerun, label: str) -> consistency.ConsistencyInputs:
    """The view and its sources with their depths after the pass of that label."""
    results, place = work.records.results, work.records.view_place(work.names[0])
    near = near_views(results.geometry)[place][: work.config.sources]
    maps = work.records.passes[label]
    sources, depths = tuple(results.views[i] for i in near), tuple(maps[i] for i in near)
    return consistency.ConsistencyInputs(results.views[place], sources, maps[place], depths)


def _mesh(work: Rerun, device: str) -> Any:
    results = work.records.results
    return work.compute(mesh.STAGE, mesh.MeshInputs(results.cloud, results.views, results.depths), device)


def _texture(work: Rerun, device: str) -> Any:
    results = work.records.results
    photos = [work.records.usable[image.photo_index] for image in results.mapping.scene.images]
    return work.compute(texture.STAGE, texture_unit(results.mesh, results.mapped, photos), device)


_STAGES: dict[str, tuple[int, str, Callable[[Rerun, str], Any]]] = {
    "features": (1, "features", _features),
    "matching": (2, "matching", _matching),
    "undistort": (1, "undistort", _undistort),
    "depth": (1, "depth", _depth),
    "refinement": (1, "consistency", _refinement),
    "consistency": (1, "consistency", _consistency),
    "mesh": (0, "mesh", _mesh),
    "texture": (0, "texture", _texture),
}
"""How many photographs each takes, where its settings are, and what computes it."""
