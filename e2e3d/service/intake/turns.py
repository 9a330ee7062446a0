"""Takes turns at something that is scarce, so that nobody waits for the whole queue of another."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

_REMEMBERED = 10_000


class FairSlots:
    """Hands out a number of places: the next goes to the owner who has the fewest, and was served longest ago.

    Args:
        places: how many there are; one owner gets all but one of them at most, where there are two or more.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._share = max(1, places - 1)
        self._changed = threading.Condition()
        self._waiting: Counter[str] = Counter()
        self._held: Counter[str] = Counter()
        self._served: dict[str, int] = {}
        self._count = 0

    @contextlib.contextmanager
    def one(self, owner: str) -> Iterator[None]:
        """Wait for a place, and hold it while the block runs."""
        with self._changed:
            self._waiting[owner] += 1
            self._changed.wait_for(lambda: self._next() == owner)
            self._waiting[owner] -= 1
            self._take(owner)
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._held[owner] -= 1
                self._changed.notify_all()

    def _take(self, owner: str) -> None:
        self._waiting += Counter()  # forgets those who no longer wait
        self._held += Counter()
        self._free -= 1
        self._held[owner] += 1
        self._count += 1
        if len(self._served) > _REMEMBERED:
            self._served.clear()
        self._served[owner] = self._count
        self._changed.notify_all()

    def _next(self) -> str | None:
        if self._free == 0:
            return None
        able = [owner for owner in self._waiting if self._waiting[owner] and self._held[owner] < self._share]
        return min(able, key=lambda owner: (self._held[owner], self._served.get(owner, 0)), default=None)
