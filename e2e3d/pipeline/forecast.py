"""What a job will cost, before it starts: time, memory and disk from measured rates and the times of earlier jobs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from e2e3d.config.consistency import REFINEMENTS
from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.presets import PRESETS
from e2e3d.config.smaller_sizes import at_size, halved_sizes
from e2e3d.errors import SettingsError

# The rates are CPU seconds on a core of the machine of benchmarks/RESULTS.md; `python benchmarks/rates.py` prints them.
REFERENCE_CORES = 2
# Of a photograph, where nothing is known about it yet.
TYPICAL_MEGAPIXELS = 8.0
# Without any history a machine may be about so much quicker or slower, and photographs simpler or harder.
_UNKNOWN_FACTOR = 2.0
_KNOWN_FACTOR = 1.25
_RECENT = 20

_BASE_MEMORY_BYTES = 1.1e9
_BASE_DISK_BYTES = 20e6


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


@dataclass(frozen=True)
class Workload:
    """The amounts of work in a job.

    Attributes:
        photos: how many; `photo_mp` megapixels of all of them as they came.
        feature_mp: megapixels that features are searched in, all photographs together; `pairs` to match.
        depth_mp: megapixels of all depth maps; `faces` and `atlas_mp` what the preset asks of mesh and texture at most.
        smaller_px: the smaller sizes at which depth is measured too, longest side.
    """

    photos: int
    photo_mp: float
    feature_mp: float
    pairs: float
    depth_mp: float
    faces: int
    atlas_mp: float
    smaller_px: tuple[int, ...]


@dataclass(frozen=True)
class _Rate:
    """Seconds of a stage: `fixed_s`, and `each_s` CPU seconds for each unit of the amount of work called `work`."""

    work: str
    each_s: float
    fixed_s: float = 0.0
    parallel: bool = True


_RATES: Mapping[str, _Rate] = {
    "ingest": _Rate("photo_mp", 0.02, 8.0),  # with the start of Ray and its workers
    "features": _Rate("feature_mp", 0.14),
    "pairs": _Rate("photos", 0.002),
    "matching": _Rate("pairs", 0.36),
    "still_regions": _Rate("pairs", 0.002, 0.1, parallel=False),
    "mapping": _Rate("photos", 0.45, parallel=False),
    "undistort": _Rate("photo_mp", 0.05),
    "depth": _Rate("depth_mp", 5.5),
    **dict.fromkeys(REFINEMENTS, _Rate("depth_mp", 4.5)),
    "consistency": _Rate("depth_mp", 4.8),
    "fusion": _Rate("depth_mp", 1.7),
    "merge": _Rate("depth_mp", 0.05, parallel=False),
    "mesh": _Rate("depth_mp", 1.6, 5.0),
    "texture": _Rate("photo_mp", 0.15, 10.0),
    "export": _Rate("depth_mp", 0.3, 2.0, parallel=False),
}

_AT_EVERY_SIZE = ("undistort", "depth", *REFINEMENTS, "consistency")


def workload(photos: int, megapixels: float, quality: str) -> Workload:
    """The amounts of work in `photos` photographs of `megapixels` each, taken as 3 : 2.

    Raises:
        SettingsError: ``unknown-quality``, or ``bad-setting`` when there is nothing to forecast.
    """
    if quality not in PRESETS:
        raise SettingsError(
            "unknown-quality", f"There is no quality {quality}.", f"Choose one of {', '.join(PRESETS)}."
        )
    if photos < 1 or not megapixels > 0:
        raise SettingsError(
            "bad-setting", f"{photos} photographs of {megapixels} megapixels.", "Give at least one, of positive size."
        )
    config = PRESETS[quality]
    return Workload(
        photos=photos,
        photo_mp=photos * megapixels,
        feature_mp=photos * _feature_mp(megapixels, config),
        pairs=_pairs(photos, config) * config.features.max_features / 8192,
        depth_mp=photos * min(megapixels, _mp(config.depth.max_size_px)),
        faces=config.mesh.max_faces,
        atlas_mp=config.texture.max_pages * config.texture.atlas_size_px**2 / 1e6,
        smaller_px=tuple(halved_sizes(min(config.depth.max_size_px, round(math.sqrt(1.5e6 * megapixels))))),
    )


def stage_seconds(photos: int, megapixels: float, quality: str, cores: int = REFERENCE_CORES) -> dict[str, float]:
    """Wall seconds to expect of every stage on `cores` cores of the reference machine. Raises as :func:`workload`."""
    work = workload(photos, megapixels, quality)
    seconds = {stage: _seconds(rate, work, cores) for stage, rate in _RATES.items()}
    for size_px in work.smaller_px:
        smaller = replace(work, depth_mp=work.photos * _mp(size_px))
        seconds |= {at_size(size_px, stage): _seconds(_RATES[stage], smaller, cores) for stage in _AT_EVERY_SIZE}
    return seconds


def _seconds(rate: _Rate, work: Workload, cores: int) -> float:
    cpu_s = rate.each_s * float(getattr(work, rate.work))
    return rate.fixed_s + cpu_s / (max(1, cores) if rate.parallel else 1)


def forecast(
    photos: int,
    megapixels: float,
    quality: str,
    history: Sequence[StageTime],
    cores: int = REFERENCE_CORES,
) -> Forecast:
    """What a job will probably cost.

    Args:
        photos: how many photographs.
        megapixels: of one of them.
        quality: a preset.
        history: times of earlier jobs on the same machines, oldest first; the more, the narrower the range.
        cores: of the machine; only how the stages share them matters once there is history.

    Raises:
        SettingsError: ``unknown-quality`` or ``bad-setting``.
    """
    expected = stage_seconds(photos, megapixels, quality, cores)
    ratios = _ratios(history, cores)
    everything = [ratio for of_stage in ratios.values() for ratio in of_stage]
    usual = median(everything) if everything else 1.0
    total_s = sum(
        seconds * (median(ratios[stage]) if stage in ratios else usual) for stage, seconds in expected.items()
    )
    factor = _doubt(everything, usual)
    work = workload(photos, megapixels, quality)
    return Forecast(total_s / factor, total_s * factor, _memory_bytes(work, cores), _disk_bytes(work))


def _ratios(history: Sequence[StageTime], cores: int) -> dict[str, list[float]]:
    """For each stage, how many times longer than expected its latest passes took."""
    ratios: dict[str, list[float]] = {}
    for time in history:
        if time.quality in PRESETS and time.seconds > 0 and time.photos > 0 and time.megapixels > 0:
            expected = stage_seconds(time.photos, time.megapixels, time.quality, cores).get(time.stage)
            if expected is not None:
                ratios.setdefault(time.stage, []).append(time.seconds / expected)
    return {stage: of_stage[-_RECENT:] for stage, of_stage in ratios.items()}


def _doubt(ratios: Sequence[float], usual: float) -> float:
    """By which factor a forecast may miss: wide without history, else as far as the passes scattered."""
    if not ratios:
        return _UNKNOWN_FACTOR
    scatter = median(abs(math.log(ratio / usual)) for ratio in ratios)
    return min(max(math.exp(scatter), _KNOWN_FACTOR), _UNKNOWN_FACTOR)


def _memory_bytes(work: Workload, cores: int) -> int:
    """Ray and the driver, and the larger of the stages side by side on all cores and of the mesh on its own."""
    photo_mp, view_mp = work.photo_mp / work.photos, work.depth_mp / work.photos
    side_by_side = cores * (0.25e9 + max(45e6 * photo_mp, 150e6 * view_mp))
    alone = 0.6e9 + 60e6 * work.depth_mp + 450.0 * work.faces + 30.0 * 1e6 * work.atlas_mp
    return int(_BASE_MEMORY_BYTES + max(side_by_side, alone))


def _disk_bytes(work: Workload) -> int:
    """The artifact store and the result folder together."""
    photographs = 2.0 * 0.6e6 * work.photo_mp + 1.3e6 * work.photos
    depth_mp = work.depth_mp + work.photos * sum(map(_mp, work.smaller_px))
    return int(_BASE_DISK_BYTES + photographs + 90e6 * depth_mp + 250.0 * work.faces + 3e6 * work.atlas_mp)


def _mp(longest_px: int) -> float:
    return longest_px * longest_px / 1.5 / 1e6


def _feature_mp(megapixels: float, config: PipelineConfig) -> float:
    """Megapixels of one photograph as features are searched in it: large ones are reduced, then small ones doubled."""
    reduced_mp = min(megapixels, _mp(config.features.max_size_px))
    return 4 * reduced_mp if reduced_mp <= _mp(config.features.upsample_below_px) else reduced_mp


def _pairs(photos: int, config: PipelineConfig) -> float:
    exhaustive = photos * (photos - 1) / 2
    if photos <= config.pairs.exhaustive_up_to:
        return exhaustive
    return min(exhaustive, 0.75 * photos * config.pairs.similar_neighbours)
