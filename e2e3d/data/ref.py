"""References to stored values: how a unit of work names its inputs without holding them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Ref(Generic[T]):
    """A value known by its content key, loaded only where it is used.

    Executors return unloaded references and bind a loader before a unit runs, so a stage calls :meth:`load` and never
    cares whether the value comes from memory, from the Ray store or from the artifact store. A stage that needs many
    values loads them one after another, and its memory stays bounded. Equality, hashing and pickling see only the key.

    Attributes:
        key: ``<stage>/<hash>`` for a stage result, ``blob/<sha256>`` for raw bytes.
        type: the class of the value; ``bytes`` for a blob.
    """

    key: str
    type: type[T]
    _loader: Callable[[], T] | None = field(default=None, compare=False, repr=False)

    def load(self) -> T:
        """Return the value; its arrays are read-only, because other units may share their memory.

        Raises:
            RuntimeError: if no executor has bound the reference, which is a programming error.
        """
        if self._loader is None:
            raise RuntimeError(f"{self.key} is not bound to a loader")
        return self._loader()

    def bound(self, loader: Callable[[], T]) -> Ref[T]:
        """Return the same reference with `loader` behind :meth:`load`."""
        return Ref(self.key, self.type, loader)

    @staticmethod
    def of(value: T, key: str | None = None) -> Ref[T]:
        """Wrap a value that is already in memory (tests and notebooks); without `key`, under a key of its own."""
        return Ref(key or f"memory/{uuid.uuid4().hex}", type(value), lambda: value)

    @staticmethod
    def blob(sha256: str) -> Ref[bytes]:
        """Name raw bytes by their SHA-256 in hexadecimal."""
        return Ref(f"blob/{sha256}", bytes)

    def __reduce__(self) -> tuple[Any, ...]:
        return Ref, (self.key, self.type)
