"""The artifact store: every finished unit's result under its content key, and raw bytes under their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NoReturn, TypeVar

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.data.stats import UnitStats
from e2e3d.errors import MachineError
from e2e3d.storage import codec
from e2e3d.storage.names import blob_name, key_of_name, object_name
from e2e3d.storage.opening import open_objects

T = TypeVar("T")

_HEAD_BYTES = 1 << 10
"""Holds the header of nearly all results: only those whose record lists names or photographs have a longer one."""


class ArtifactStore:
    """Put-once storage of records and blobs in a local folder or on S3; many processes may share one.

    A result that was cut off, or whose header is damaged, counts as absent: its unit is computed again. Other damage (a
    disk error, somebody's editor) is found by :meth:`get`, too late for that: the result is removed, and an error asks
    to run again.
    """

    def __init__(self, url: str, options: S3Options | None = None) -> None:
        self.url = url
        self.options = options or S3Options()
        self._objects = open_objects(url, self.options)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an ArtifactStore is opened in each process: pickled, the secret of S3 would travel with it")

    @property
    def local(self) -> bool:
        """Whether reads are memory maps of local files."""
        return self._objects.local

    def put_blob(self, data: bytes | memoryview) -> str:
        """Keep raw bytes once; returns their SHA-256 in hexadecimal, which is their name in ``blob/<sha256>``.

        Raises:
            MachineError: if they cannot be written.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        name = blob_name(sha256)
        if self._objects.size(name) != len(data) or (self.local and self._objects.load(name) != data):
            self._objects.put(name, data)
        return sha256

    def get_blob(self, sha256: str) -> bytes:
        """Return raw bytes.

        Raises:
            MachineError: if they are missing or damaged.
        """
        return bytes(self._whole(sha256, self._objects.load))

    def view_blob(self, sha256: str) -> memoryview:
        """Raw bytes as :meth:`get_blob` returns them, not held in memory.

        Raises:
            MachineError: if they are missing or damaged.
        """
        return memoryview(self._whole(sha256, self._objects.view))

    def _whole(self, sha256: str, read: Callable[[str], bytes | memoryview]) -> bytes | memoryview:
        key = f"blob/{sha256}"
        data = self._read(key, read)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise self._damaged(key)
        return data

    def size_bytes(self, key: str) -> int:
        """Size of the object of that key; 0 when there is none."""
        return self._objects.size(object_name(key)) or 0

    def sizes(self) -> dict[str, int]:
        """Size of every artifact and blob in the store by its key; a server is asked for its whole list."""
        found = ((key_of_name(info.name), info.bytes) for info in self._objects.find())
        return {key: size for key, size in found if key is not None}

    def remove(self, key: str) -> None:
        """Remove the artifact or blob of that key, if it is there."""
        self._objects.delete(object_name(key))

    def put(self, key: str, record: object, stats: UnitStats) -> None:
        """Keep a unit's result, atomically; an intact object of the same key stays as it is.

        Raises:
            MachineError: if it cannot be written: ``disk-full``, ``no-permission``, ``store-unreachable`` …
            TypeError: if the record holds what cannot be stored.
        """
        if self.stats(key) is None:
            self._objects.put(object_name(key), *codec.encode(record, stats))

    def get(self, key: str, record_type: type[T]) -> T:
        """Load a record, or the bytes of a blob, or a view of them; arrays are read-only, and map a local file.

        Raises:
            MachineError: ``artifact-missing`` or ``artifact-damaged``.
        """
        if record_type is bytes:
            return self.get_blob(key.removeprefix("blob/"))  # type: ignore[return-value]
        if record_type is memoryview:
            return self.view_blob(key.removeprefix("blob/"))  # type: ignore[return-value]
        data = self._read(key, self._objects.load)
        try:
            return codec.decode(data, record_type)
        except codec.DamagedError as error:
            raise self._damaged(key) from error

    def stats(self, key: str) -> UnitStats | None:
        """What the unit cost, or None when there is no intact result: the question to ask before computing."""
        try:
            return codec.decode_stats(self._objects.load(object_name(key)))
        except (FileNotFoundError, codec.DamagedError):
            return None

    def describe(self, key: str) -> UnitStats | None:
        """What the unit cost, or None when there is no result: asked of every unit before a run computes it.

        Reads the header of the result only, on S3 by a ranged request of 1 kB, and a second one for the rare longer
        header. A result whose header is damaged, or whose length is not what the header says, counts as missing;
        other damage is found by :meth:`get`, or by :meth:`stats`, which reads the whole result.

        Raises:
            MachineError: if the store cannot be read.
        """
        name = object_name(key)
        try:
            head, size = self._objects.head(name, _HEAD_BYTES)
            count = codec.header_bytes(head)
            if len(head) < count <= size:
                head, size = self._objects.head(name, count)
            return codec.header_stats(head[:count], size)
        except (FileNotFoundError, codec.DamagedError):
            return None

    def sweep(self) -> int:
        """Remove temporary files of writers of this machine that died; returns how many."""
        return self._objects.sweep()

    def _read(self, key: str, read: Callable[[str], bytes | memoryview]) -> bytes | memoryview:
        try:
            return read(object_name(key))
        except FileNotFoundError as error:
            raise MachineError(
                "artifact-missing",
                f"The store {self.url} has no {key}.",
                "All machines must reach the same store. Run the same command again to compute what is missing.",
            ) from error

    def _damaged(self, key: str) -> MachineError:
        self._objects.delete(object_name(key))
        return MachineError(
            "artifact-damaged",
            f"{key} in the store {self.url} was damaged and has been removed.",
            "Run the same command again: only that part is computed again.",
        )
