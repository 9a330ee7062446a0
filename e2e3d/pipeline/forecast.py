"""What a job will cost, before it starts: time, memory and disk as its stages declare them, and as earlier jobs took.

Light: it is imported by processes that only answer HTTP.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from e2e3d.config.consistency import REFINEMENTS, consistency_cost, refinement_cost
from e2e3d.config.depth import depth_cost
from e2e3d.config.export_cost import export_cost
from e2e3d.config.features import features_cost
from e2e3d.config.fusion import fusion_cost, merge_cost, points_of
from e2e3d.config.ingest import ingest_cost
from e2e3d.config.mapping import mapping_cost
from e2e3d.config.matching import matching_cost, still_regions_cost
from e2e3d.config.mesh import mesh_cost
from e2e3d.config.pairs import comparing_cost, pairs_cost, pairs_to_match
from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.presets import PRESETS
from e2e3d.config.smaller_sizes import at_size, halved_sizes
from e2e3d.config.texture import texture_cost
from e2e3d.config.undistort import UndistortConfig, geometry_cost, undistort_cost
from e2e3d.config.workload import Cost, Workload, megapixels
from e2e3d.errors import SettingsError

REFERENCE_CORES = 2
# Without any history a machine may be about so much quicker or slower, and photographs simpler or harder.
_UNKNOWN_FACTOR = 2.0
_KNOWN_FACTOR = 1.25
_RECENT = 20

_RAY_BYTES = 0.65e9  # of Ray's own processes and the driver
_SHARED_BYTES = 0.2e9  # of a worker's memory, which all workers share
_PHOTO_DISK_BYTES = 0.7e6  # of a megapixel of a JPEG, with the pictures in the report


@dataclass(frozen=True)
class StageTime:
    """How long one pass took in an earlier job: the wall seconds of `stage`, and what that job was."""

    stage: str
    photos: int
    megapixels: float
    quality: str
    seconds: float


@dataclass(frozen=True)
class Forecast:
    """What a job will probably cost: wall seconds as a range, peak memory of all processes, and disk it leaves."""

    seconds_low: float
    seconds_high: float
    memory_bytes: int
    disk_bytes: int


CostOf = Callable[[Workload, Any], Cost]

_BEFORE_VIEWS: Mapping[str, CostOf] = {
    "ingest": ingest_cost,
    "features": features_cost,
    "overlap": comparing_cost,
    "pairs": pairs_cost,
    "matching": matching_cost,
    "still_regions": still_regions_cost,
    "mapping": mapping_cost,
    "geometry": geometry_cost,
}
_AT_EVERY_SIZE: Mapping[str, CostOf] = {
    "undistort": undistort_cost,
    "depth": depth_cost,
    **dict.fromkeys(REFINEMENTS, refinement_cost),
    "consistency": consistency_cost,
}
_AFTER_DEPTH: Mapping[str, CostOf] = {
    "fusion": fusion_cost,
    "merge": merge_cost,
    "mesh": mesh_cost,
    "texture": texture_cost,
    "export": export_cost,
}
_SETTINGS_OF = dict.fromkeys(REFINEMENTS, "consistency") | {
    "overlap": "pairs",
    "still_regions": "matching",
    "merge": "fusion",
    "export": "texture",
}


def workload(config: PipelineConfig, photos: int, photo_mp: float) -> Workload:
    """The amounts of work in a job: `photos` photographs of `photo_mp` megapixels each, taken as 3 : 2.

    Raises:
        SettingsError: ``bad-setting`` when there is nothing to forecast.
    """
    if photos < 1 or not photo_mp > 0:
        raise SettingsError(
            "bad-setting", f"{photos} photographs of {photo_mp} megapixels.", "Give at least one, of positive size."
        )
    view_mp = min(photo_mp, megapixels(config.depth.max_size_px))
    return Workload(
        photos=photos,
        photo_mp=photo_mp,
        view_mp=view_mp,
        keypoints=config.features.max_features,
        pairs=pairs_to_match(photos, config.pairs),
        points=points_of(photos, view_mp, config.fusion),
        faces=config.mesh.max_faces,
    )


def stage_costs(config: PipelineConfig, work: Workload) -> dict[str, Cost]:
    """What every pass of a job takes, by its name, in order."""
    return dict(_passes(config, work))


def unchanged_passes(before: PipelineConfig, after: PipelineConfig, photo_mp: float) -> tuple[str, ...]:
    """The passes of a job with settings `after` whose results one with settings `before` has made already.

    A pass is computed from its settings and from what the passes before it gave, so the first one whose settings differ
    ends the list; photographs of `photo_mp` megapixels decide at which sizes views are looked at.
    """
    known = dict(_settings_of_passes(before, photo_mp))
    same = itertools.takewhile(lambda each: known.get(each[0]) == each[1], _settings_of_passes(after, photo_mp))
    return tuple(name for name, _ in same)


def _settings_of_passes(config: PipelineConfig, photo_mp: float) -> Iterator[tuple[str, object]]:
    return ((name, settings) for name, _, settings, _ in _plan(config, photo_mp))


def _passes(config: PipelineConfig, work: Workload) -> Iterator[tuple[str, Cost]]:
    for name, cost, settings, size_px in _plan(config, work.photo_mp):
        sized = work if size_px is None else replace(work, view_mp=megapixels(size_px))
        yield name, cost(sized, settings)


def _plan(config: PipelineConfig, photo_mp: float) -> Iterator[tuple[str, CostOf, object, int | None]]:
    """Every pass by its name, with what it costs, its settings, and the size of its views where they are smaller."""
    for stage, cost in _BEFORE_VIEWS.items():
        yield stage, cost, _settings(config, stage), None
    longest_px = min(config.depth.max_size_px, round(math.sqrt(1.5e6 * photo_mp)))
    for size_px in (*halved_sizes(longest_px), None):
        for stage, cost in _AT_EVERY_SIZE.items():
            yield at_size(size_px, stage), cost, _settings(config, stage, size_px), size_px
    for stage, cost in _AFTER_DEPTH.items():
        yield stage, cost, _settings(config, stage), None


def _settings(config: PipelineConfig, stage: str, size_px: int | None = None) -> object:
    """Of the stage; views get the size of the depth maps."""
    if stage in ("geometry", "undistort"):
        return UndistortConfig(max_size_px=size_px or config.depth.max_size_px)
    return getattr(config, _SETTINGS_OF.get(stage, stage))


def stage_seconds(
    config: PipelineConfig, photos: int, photo_mp: float, cores: int = REFERENCE_CORES
) -> dict[str, float]:
    """Wall seconds to expect of every pass on `cores` cores of the reference machine. Raises as :func:`workload`."""
    costs = stage_costs(config, workload(config, photos, photo_mp))
    return {stage: cost.wall_s(cores) for stage, cost in costs.items()}


def forecast(
    config: PipelineConfig,
    photos: int,
    photo_mp: float,
    history: Sequence[StageTime],
    cores: int = REFERENCE_CORES,
    reused: Collection[str] = (),
) -> Forecast:
    """What a job will probably cost.

    Args:
        config: all settings.
        photos: how many photographs.
        photo_mp: megapixels of one of them.
        history: times of earlier jobs on the same machines, oldest first; the more, the narrower the range.
        cores: of the machine; only how the stages share them matters once there is history.
        reused: passes that take no time, because their results are there.

    Raises:
        SettingsError: ``bad-setting``.
    """
    costs = stage_costs(config, workload(config, photos, photo_mp))
    ratios = _ratios(history, cores)
    everything = [ratio for of_stage in ratios.values() for ratio in of_stage]
    usual = median(everything) if everything else 1.0
    computed = {stage: cost for stage, cost in costs.items() if stage not in reused} or costs
    total_s = sum(
        cost.wall_s(cores) * (median(ratios[stage]) if stage in ratios else usual) for stage, cost in computed.items()
    )
    factor = _doubt(everything, usual)
    disk_bytes = sum(cost.disk_bytes for cost in costs.values()) + _PHOTO_DISK_BYTES * photos * photo_mp
    return Forecast(total_s / factor, total_s * factor, _memory_bytes(computed.values(), cores), int(disk_bytes))


def _ratios(history: Sequence[StageTime], cores: int) -> dict[str, list[float]]:
    """For each stage, how many times longer than expected its latest passes took."""
    ratios: dict[str, list[float]] = {}
    for time in history:
        if time.quality in PRESETS and time.seconds > 0 and time.photos > 0 and time.megapixels > 0:
            expected = stage_seconds(PRESETS[time.quality], time.photos, time.megapixels, cores).get(time.stage)
            if expected:
                ratios.setdefault(time.stage, []).append(time.seconds / expected)
    return {stage: of_stage[-_RECENT:] for stage, of_stage in ratios.items()}


def _doubt(ratios: Sequence[float], usual: float) -> float:
    """By which factor a forecast may miss: wide without history, else as far as the passes scattered."""
    if not ratios:
        return _UNKNOWN_FACTOR
    scatter = median(abs(math.log(ratio / usual)) for ratio in ratios)
    return min(max(math.exp(scatter), _KNOWN_FACTOR), _UNKNOWN_FACTOR)


def _memory_bytes(costs: Iterable[Cost], cores: int) -> int:
    """Ray and the driver, and the pass that takes most: with a unit on every core, or one alone."""
    units = [(1 if cost.alone else max(1, cores), cost.memory_bytes) for cost in costs]
    return int(_RAY_BYTES + max(_SHARED_BYTES + count * (memory - _SHARED_BYTES) for count, memory in units))
