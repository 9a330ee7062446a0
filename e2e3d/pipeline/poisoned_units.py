"""Photographs that bring down every process that computes something of them are left out, and the run goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from e2e3d.config.ingest import IngestConfig
from e2e3d.data.photo import Photo, PhotoProblem
from e2e3d.errors import UnitDiedError
from e2e3d.pipeline.executor import Executor
from e2e3d.stages import ingest
from e2e3d.stages.ingest import IngestFile, Intrinsics

log = logging.getLogger(__name__)

T = TypeVar("T")

_FEW = 2
_SHARE = 20
_PHOTOS_A_UNIT = 4


def compute_without(names: Sequence[str], compute: Callable[[list[int]], T]) -> tuple[T, list[int]]:
    """Call `compute` with the places of all photographs, and again without one whose units died at every try.

    What the first call finished is found in the store.

    Args:
        names: of the photographs; `compute` gives units of single photographs these names.
        compute: gets the places that remain.

    Returns:
        the result, and the places that remain.

    Raises:
        UnitDiedError: the unit is not that of one photograph; or more than 2, or a twentieth, of them have died:
            then the machine is at fault.
    """
    kept = list(range(len(names)))
    while True:
        try:
            return compute(kept), kept
        except UnitDiedError as error:
            poisoned = [place for place in kept if names[place] == error.name]
            if not poisoned or len(names) - len(kept) >= _most(len(names)):
                raise
            _warn(error)
            kept = [place for place in kept if place not in poisoned]


def mark_poisoned(photos: Sequence[Photo], usable: Sequence[Photo], kept: Sequence[int]) -> tuple[Photo, ...]:
    """All photographs, those of `usable` whose place is not in `kept` with the reason why they were not used."""
    poisoned = {usable[place].name for place in set(range(len(usable))) - set(kept)}
    return tuple(_brings_down(photo) if photo.name in poisoned else photo for photo in photos)


def _brings_down(photo: Photo) -> Photo:
    message = "Every process that computed something of it died. Save it again with another program, or leave it out."
    return replace(photo, problems=(*photo.problems, PhotoProblem("brings-down", message, fatal=True)))


def ingest_all(
    entries: Sequence[IngestFile], intrinsics: Intrinsics | None, config: IngestConfig, run: Executor
) -> list[Photo]:
    """Look at every photograph, a few a unit; where a unit brings its processes down, at each of its photographs alone.

    Raises:
        UnitDiedError: as :func:`compute_without`.
    """
    groups = [tuple(entries[first : first + _PHOTOS_A_UNIT]) for first in range(0, len(entries), _PHOTOS_A_UNIT)]
    while True:
        units = [ingest.IngestInputs(group, intrinsics) for group in groups]
        try:
            blocks = run.map(ingest.STAGE, units, config, names=[_group_name(group) for group in groups])
        except UnitDiedError as error:
            died = next((group for group in groups if _group_name(group) == error.name), ())
            left_out = len(entries) - sum(map(len, groups))
            if not died or (len(died) == 1 and left_out >= _most(len(entries))):
                raise
            _warn(error)
            at = groups.index(died)
            groups[at : at + 1] = [(entry,) for entry in died] if len(died) > 1 else []
            continue
        found = {photo.name: photo for block in blocks for photo in block.load().photos}
        return [found.get(entry.name) or _never_read(entry) for entry in entries]


def _most(count: int) -> int:
    return max(_FEW, count // _SHARE)


def _warn(error: UnitDiedError) -> None:
    log.warning("%s The run goes on without it.", error.message)


def _group_name(group: Sequence[IngestFile]) -> str:
    return group[0].name if len(group) == 1 else f"{group[0].name} and {len(group) - 1} more"


def _never_read(entry: IngestFile) -> Photo:
    mask = None if entry.mask is None else entry.mask.key.partition("/")[2]
    return _brings_down(Photo(entry.name, entry.photo.key.partition("/")[2], 0, 0, None, mask_sha256=mask))
