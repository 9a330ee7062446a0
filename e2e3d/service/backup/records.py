"""Records of a backup: what it holds, and what stands beside it."""

from __future__ import annotations

import dataclasses
import datetime
import json
from dataclasses import dataclass
from typing import Any

FORMAT = 1
"""Of everything that a backup consists of; raised when an older E2E3D could no longer restore it."""


@dataclass(frozen=True)
class NamedObject:
    """An object of the store that the database names; `sha256` is None where the database does not know it."""

    name: str
    bytes: int
    sha256: str | None


@dataclass(frozen=True)
class Dump:
    """A dump of the database in a backup: where it lies, and what it is."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself; written last, so a backup that has one is complete.

    Attributes:
        id: of the backup; ids sort by time.
        version: of the package that made it, and `revision` of its tables.
        database: ``postgresql`` or ``sqlite``.
        began_at: when the command began, `snapshot_at` the moment that the database is restored to.
        objects: how many the database names, `object_bytes` long in all.
        copied, copied_bytes: those that no earlier backup had.
        lost: names of objects that the store had lost before; they are in no backup.
        configuration: whether settings and secrets are in it.
    """

    id: str
    version: str
    revision: str
    database: str
    began_at: datetime.datetime
    snapshot_at: datetime.datetime
    finished_at: datetime.datetime
    dump: Dump
    objects: int
    object_bytes: int
    copied: int
    copied_bytes: int
    lost: tuple[str, ...]
    configuration: bool
    format: int = FORMAT

    def to_json(self) -> bytes:
        """As one JSON object."""
        return json.dumps(dataclasses.asdict(self), default=lambda value: value.isoformat(), indent=1).encode()


def line_of(manifest: Manifest) -> str:
    """A backup in one line."""
    size = (manifest.object_bytes + manifest.dump.bytes) / 1e9
    lost = f"  {len(manifest.lost)} lost before" if manifest.lost else ""
    when = f"{manifest.snapshot_at:%Y-%m-%d %H:%M:%S}"
    return f"{manifest.id}  {when}  {manifest.database:<10}  {manifest.objects} objects  {size:.3f} GB{lost}"


def manifest_of(text: bytes) -> Manifest:
    """Read a manifest back; fields of later versions are passed over."""
    given: dict[str, Any] = json.loads(text)
    known = {field.name for field in dataclasses.fields(Manifest)}
    values = {name: value for name, value in given.items() if name in known}
    for name in ("began_at", "snapshot_at", "finished_at"):
        values[name] = datetime.datetime.fromisoformat(values[name])
    return Manifest(**(values | {"dump": Dump(**values["dump"]), "lost": tuple(values["lost"])}))
