"""What a run cost, unit by unit, and what its results take in the store."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal, get_args

from e2e3d.errors import SettingsError
from e2e3d.inspection.run_records import RunRecords, stage_of_pass

Keep = Literal["run", "result"]
_FINAL = ("photo_files", "mapped", "features", "matches", "views", "depths", "cloud", "mesh", "textured")
_OF_VIEWS = ("depth", "refinement", "consistency")


@dataclass(frozen=True)
class UnitCost:
    """Cost of one unit, whenever it was computed.

    Attributes:
        stage: label of the pass.
        unit: name of the photograph, or the number of the unit in its pass.
        wall_s: from beginning to end; `cpu_s` of all its threads.
        peak_memory_bytes: of the process that computed it.
        host: name of the machine.
        stored_bytes: what its result takes in the store.
        key: content key of its result.
    """

    stage: str
    unit: str
    wall_s: float
    cpu_s: float
    peak_memory_bytes: int
    host: str
    stored_bytes: int
    key: str


def unit_costs(records: RunRecords) -> tuple[UnitCost, ...]:
    """Cost of every unit whose result is still stored, in the order of the passes."""
    costs = []
    for label, keys in records.keys.items():
        for unit, key in zip(_unit_names(records, label, len(keys)), keys, strict=True):
            stats = records.store.describe(key)
            if stats is not None:
                stored = records.store.size_bytes(key)
                figures = (stats.wall_s, stats.cpu_s, stats.peak_memory_bytes, stats.host)
                costs.append(UnitCost(label, unit, *figures, stored, key))
    return tuple(costs)


def run_bytes(records: RunRecords) -> dict[str, int]:
    """Bytes in the store by stage (``photographs`` among them), of what this run used; largest first."""
    found: defaultdict[str, int] = defaultdict(int)
    for key in run_keys(records):
        stage = key.partition("/")[0]
        found["photographs" if stage == "blob" else stage] += records.store.size_bytes(key)
    return dict(sorted(found.items(), key=lambda entry: -entry[1]))


def prune(records: RunRecords, keep: Keep) -> int:
    """Remove from the store what `keep` does not name; returns how many bytes went.

    Args:
        records: of a run that has a store of its own.
        keep: ``run`` = all that this run used: results of other settings go. ``result`` = only the photographs and the
            final records, which :func:`e2e3d.open` loads; what is between them is computed again when it is needed.

    Raises:
        SettingsError: ``bad-setting`` for another word.
    """
    if keep not in get_args(Keep):
        raise SettingsError("bad-setting", f"keep is {keep}.", f"It must be {' or '.join(get_args(Keep))}.")
    kept = run_keys(records) if keep == "run" else final_keys(records)
    freed = 0
    for key, size in records.store.sizes().items():
        if key not in kept:
            records.store.remove(key)
            freed += size
    return freed


def run_keys(records: RunRecords) -> set[str]:
    """Content keys of all that the run used."""
    return final_keys(records).union(*records.keys.values())


def final_keys(records: RunRecords) -> set[str]:
    """Content keys of the photographs, their masks, and the final records."""
    masks = {f"blob/{photo.mask_sha256}" for photo in records.results.photos if photo.mask_sha256 is not None}
    values = (getattr(records.results, name) for name in _FINAL)
    return masks.union(ref.key for value in values for ref in (value if isinstance(value, tuple) else (value,)))


def _unit_names(records: RunRecords, label: str, count: int) -> list[str]:
    """What the units of a pass are called."""
    named = {
        "features": [photo.name for photo in records.usable],
        "undistort": [image.name for image in records.results.mapping.scene.images],
        **{stage: list(records.view_places) for stage in _OF_VIEWS},
    }
    names = named.get(stage_of_pass(label), [])
    return names if len(names) == count else [str(i) for i in range(count)]
