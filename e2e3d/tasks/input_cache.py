"""What a worker read from the artifact store: kept within bounds for the threads of its unit and for the next units."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from e2e3d.pipeline.units import memory_bytes


class InputCache:
    """Values by name. Threads that ask for different ones read side by side; those that ask for one read it once.

    Args:
        capacity_bytes: of all values together; one that takes more than half of it is not kept.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[object, tuple[Any, int]] = OrderedDict()
        self._reading: dict[object, Future[Any]] = {}

    def get(self, name: object, read: Callable[[], Any]) -> Any:
        """The value of that name, which `read` gives unless it is kept; an error of `read` reaches all who wait."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name][0]
            pending = self._reading.get(name)
            if pending is None:
                reading = self._reading[name] = Future()
        if pending is not None:
            return pending.result()
        try:
            value = read()
        except BaseException as error:
            self._end(name)
            reading.set_exception(error)
            raise
        self._end(name, value)
        reading.set_result(value)
        return value

    def _end(self, name: object, *value: Any) -> None:
        """Nobody reads it any more; keep what was read."""
        with self._lock:
            del self._reading[name]
            for one in value:
                self._keep(name, one)

    def _keep(self, name: object, value: Any) -> None:
        size = memory_bytes(value)
        if size > self._capacity_bytes // 2:
            return
        self._kept[name] = value, size
        while sum(size for _, size in self._kept.values()) > self._capacity_bytes:
            self._kept.popitem(last=False)
