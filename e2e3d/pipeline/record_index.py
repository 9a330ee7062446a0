"""Which stored results a finished run consists of, kept in its folder, so that it can be opened."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e3d.data.dense import ViewGeometry
from e2e3d.data.photo import Photo
from e2e3d.data.ref import Ref
from e2e3d.data.run_results import Results
from e2e3d.data.stats import UnitStats
from e2e3d.errors import InputError
from e2e3d.storage import codec
from e2e3d.storage.atomic_files import write_bytes

INDEX_NAME = "records"
_VALUES = ("photos", "geometry")
_NO_COST = UnitStats(0.0, 0.0, 0, "")
Load = Callable[[str, type[Any]], Any]


@dataclass(frozen=True)
class RecordIndex:
    """What :class:`~e2e3d.data.run_results.Results` refers to.

    Attributes:
        store: URL of the artifact store; empty for the one inside the folder of the run.
        photos, geometry: as there.
        keys: content keys of the other fields, by their names.
        passes: content keys of the results of every pass, by its label.
    """

    store: str
    photos: tuple[Photo, ...]
    geometry: tuple[ViewGeometry, ...]
    keys: tuple[tuple[str, tuple[str, ...]], ...]
    passes: tuple[tuple[str, tuple[str, ...]], ...]


def index_of(results: Results, store: str, passes: Mapping[str, tuple[str, ...]]) -> RecordIndex:
    """What a run consists of; `store` as in :class:`RecordIndex`."""
    keys = []
    for field in dataclasses.fields(Results):
        value = getattr(results, field.name)
        if field.name not in _VALUES:
            keys.append((field.name, tuple(ref.key for ref in (value if isinstance(value, tuple) else (value,)))))
    return RecordIndex(store, results.photos, results.geometry, tuple(keys), tuple(passes.items()))


def write_index(private: Path, index: RecordIndex) -> None:
    """Keep it in the private folder of the run. Raises MachineError when it cannot be written."""
    write_bytes(private / INDEX_NAME, b"".join(codec.encode(index, _NO_COST)))


def read_index(private: Path) -> RecordIndex:
    """What a run consists of.

    Raises:
        InputError: ``no-records`` when the folder has none, or those of another version of E2E3D.
    """
    try:
        return codec.decode((private / INDEX_NAME).read_bytes(), RecordIndex)
    except (OSError, codec.DamagedError, TypeError, KeyError, ValueError) as error:
        raise InputError(
            "no-records",
            f"{private.parent} does not say which stored results it was made from.",
            "Open the folder of a run as it was written; an earlier version's run has to be repeated into it first.",
        ) from error


def results_of(index: RecordIndex, load: Load) -> Results:
    """The records, as references that `load` loads, given their key and type."""
    hints = typing.get_type_hints(Results)
    values: dict[str, Any] = {"photos": index.photos, "geometry": index.geometry}
    for name, keys in index.keys:
        many = typing.get_origin(hints[name]) is tuple
        kind = typing.get_args(typing.get_args(hints[name])[0] if many else hints[name])[0]
        refs = tuple(Ref(key, kind).bound(lambda key=key, kind=kind: load(key, kind)) for key in keys)  # type: ignore[misc]
        values[name] = refs if many else refs[0]
    return Results(**values)
