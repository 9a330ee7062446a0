"""How far a transfer of several files is, told to whoever wants to know."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class TransferProgress:
    """State of an upload or a download.

    Attributes:
        name: the file that has just gone on.
        bytes_done: of all files, `bytes_total` of them; what need not be sent again counts as done.
        files_done: that are complete, `files_total` of them; `files_skipped` were there already.
        bytes_sent: really carried over the network by this call.
    """

    name: str
    bytes_done: int
    bytes_total: int
    files_done: int
    files_total: int
    files_skipped: int
    bytes_sent: int


class TransferTracker:
    """Adds up what parallel transfers report; `listener` is called by one of them at a time."""

    def __init__(self, sizes: dict[str, int], listener: Callable[[TransferProgress], None] | None) -> None:
        self._sizes = sizes
        self._done = dict.fromkeys(sizes, 0)
        self._listener = listener
        self._lock = threading.Lock()
        self._finished = self._skipped = self._sent = 0

    def at(self, name: str, offset: int) -> None:
        """A file stands at `offset`, wherever it stood before."""
        with self._lock:
            self._done[name] = offset
            self._tell(name)

    def sent(self, name: str, size: int) -> None:
        """So many more bytes of a file have gone over the network."""
        with self._lock:
            self._done[name] += size
            self._sent += size
            self._tell(name)

    def finished(self, name: str, skipped: bool = False) -> None:
        """A file is complete."""
        with self._lock:
            self._done[name] = self._sizes[name]
            self._finished += 1
            self._skipped += skipped
            self._tell(name)

    def _tell(self, name: str) -> None:
        if self._listener is not None:
            self._listener(self._state(name))

    def state(self) -> TransferProgress:
        """How far everything is."""
        with self._lock:
            return self._state("")

    def _state(self, name: str) -> TransferProgress:
        return TransferProgress(
            name,
            sum(self._done.values()),
            sum(self._sizes.values()),
            self._finished,
            len(self._sizes),
            self._skipped,
            self._sent,
        )
