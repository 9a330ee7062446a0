"""Where backups lie: a folder or a prefix of S3 with all objects once, and a small folder for each backup.

``objects/<name>`` are copies of the store's objects, shared by all backups. ``backups/<id>/`` has the dump of the
database, the list of the objects that it names, the encrypted configuration, and, written last, ``manifest.json``.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import secrets
import socket
import zlib
from collections.abc import Iterable, Iterator

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.errors import InputError, MachineError
from e2e3d.service.backup.records import FORMAT, Manifest, NamedObject, manifest_of
from e2e3d.storage.objects import ObjectStore
from e2e3d.storage.opening import open_objects

_MANIFEST = "manifest.json"
_RUNNING = "running"
_FORGOTTEN_AFTER = datetime.timedelta(days=1)


class BackupFolder:
    """Backups in a folder or a prefix of S3.

    Attributes:
        objects: the copies of the store's objects, a store like it.

    Args:
        url: folder or ``s3://bucket/prefix``.
        options: how to reach S3.
    """

    def __init__(self, url: str, options: S3Options) -> None:
        self.url = url.rstrip("/")
        self._files = open_objects(self.url, options)
        self.objects: ObjectStore = open_objects(f"{self.url}/objects", options)

    def manifests(self) -> list[Manifest]:
        """All complete backups, the oldest first."""
        names = sorted(info.name for info in self._files.find("backups") if info.name.endswith(f"/{_MANIFEST}"))
        return [manifest_of(bytes(self._files.load(name))) for name in names]

    def manifest(self, backup_id: str | None) -> Manifest:
        """One backup, the newest when no id is given.

        Raises:
            InputError: ``no-backup``; ``backup-newer`` when a later E2E3D has made it.
        """
        found = [one for one in self.manifests() if backup_id in (None, one.id)]
        if not found:
            which = "no complete backup" if backup_id is None else f"no complete backup {backup_id}"
            raise InputError("no-backup", f"{self.url} holds {which}.", "Name the place that backups were made to.")
        if found[-1].format > FORMAT:
            raise InputError(
                "backup-newer",
                f"The backup {found[-1].id} was made by E2E3D {found[-1].version}, and this one cannot read it.",
                "Install that version, or a later one.",
            )
        return found[-1]

    def name(self, backup_id: str, part: str) -> str:
        """Where a part of a backup lies."""
        return f"backups/{backup_id}/{part}"

    def write(self, name: str, blocks: Iterable[bytes]) -> tuple[int, str]:
        """Write a part of a backup; returns its length and SHA-256."""
        written = self._files.write(name, blocks)
        return written.bytes, written.sha256

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a part of a backup.

        Raises:
            MachineError: ``backup-damaged`` when it is not there.
        """
        try:
            return self._files.read(name)
        except FileNotFoundError as error:
            raise damaged(f"{self.url}/{name} is missing") from error

    def write_list(self, backup_id: str, objects: Iterable[NamedObject]) -> None:
        """Write down which objects a backup needs."""
        self._files.write(self.name(backup_id, "objects.jsonl.z"), _compressed(objects))

    def read_list(self, backup_id: str) -> Iterator[NamedObject]:
        """The objects that a backup needs. Raises MachineError ``backup-damaged``."""
        inflate, rest = zlib.decompressobj(), b""
        try:
            for block in self.read(self.name(backup_id, "objects.jsonl.z")):
                *lines, rest = (rest + inflate.decompress(block)).split(b"\n")
                yield from (NamedObject(*json.loads(line)) for line in lines)
        except (zlib.error, ValueError, TypeError) as error:
            raise damaged(f"the list of objects of {backup_id} cannot be read") from error
        if not inflate.eof or rest:
            raise damaged(f"the list of objects of {backup_id} is cut off")

    def finish(self, manifest: Manifest) -> None:
        """Make a backup count: nobody sees it before."""
        self._files.write(self.name(manifest.id, _MANIFEST), [manifest.to_json()])

    @contextlib.contextmanager
    def alone(self, now: datetime.datetime) -> Iterator[None]:
        """Be the only backup that writes here: another one would remove objects that this one counts on.

        Raises:
            MachineError: ``backup-running``.
        """
        for info in list(self._files.find(_RUNNING)):
            owner = json.loads(bytes(self._files.load(info.name)))
            if now - info.modified_at < _FORGOTTEN_AFTER and not _died(owner):
                raise MachineError(
                    "backup-running",
                    f"A backup to {self.url} runs since {info.modified_at:%Y-%m-%d %H:%M} on {owner['host']}.",
                    f"Wait for it, or remove {self.url}/{info.name} when that process is gone.",
                )
            self._files.delete(info.name)
        mine = f"{_RUNNING}/{secrets.token_hex(8)}"
        self._files.write(mine, [json.dumps({"host": socket.gethostname(), "pid": os.getpid()}).encode()])
        try:
            yield
        finally:
            self._files.delete(mine)

    def prune(self, keep: int) -> int:
        """Remove all but the newest `keep` backups, and the objects that no other one needs; returns how many backups.

        Objects that are newer than the last backup stay: they may be copied ahead of the next one. What backups that
        were broken off have left behind goes too.
        """
        complete = self.manifests()
        kept = complete[-keep:]
        kept_ids = {one.id for one in kept}
        for info in list(self._files.find("backups")):
            backup_id = info.name.split("/")[1]
            if backup_id not in kept_ids and backup_id <= kept[-1].id:
                self._files.delete(info.name)
        if len(kept) < len(complete):
            needed = {one.name for backup in kept for one in self.read_list(backup.id)}
            for info in list(self.objects.find()):
                if info.name not in needed and info.modified_at < kept[-1].began_at:
                    self.objects.delete(info.name)
        return len(complete) - len(kept)


def damaged(what: str) -> MachineError:
    """The error of a backup that is not whole."""
    return MachineError("backup-damaged", f"The backup is damaged: {what}.", "Restore another one: see --list.")


def new_backup_id(now: datetime.datetime) -> str:
    """An id that sorts by time, also among backups of one second."""
    return f"{now:%Y%m%dT%H%M%S.%f}Z-{secrets.token_hex(2)}"


def _compressed(objects: Iterable[NamedObject]) -> Iterator[bytes]:
    deflate = zlib.compressobj()
    for one in objects:
        yield deflate.compress(json.dumps([one.name, one.bytes, one.sha256]).encode() + b"\n")
    yield deflate.flush()


def _died(owner: dict[str, object]) -> bool:
    return owner["host"] == socket.gethostname() and not os.path.exists(f"/proc/{owner['pid']}")
