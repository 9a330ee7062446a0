"""Cooperative cancellation: one token a run, asked between units and set by signals."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from e2e3d.errors import CancelledError


class CancelToken:
    """Says whether the run should stop; safe to set from any thread and from a signal handler."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the run to stop."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise CancelledError once the run should stop."""
        if self._event.is_set():
            raise CancelledError


@contextlib.contextmanager
def cancel_on_signals(token: CancelToken) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into a cancellation while the block runs.

    The first signal also interrupts the main thread wherever it is, as Ctrl-C does, and leaves the block as
    CancelledError; later ones find the run already stopping and change nothing.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        if not token.cancelled:
            token.cancel()
            raise KeyboardInterrupt

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt as error:
        raise CancelledError from error
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
