"""Results that stay in the Ray store besides the artifact store, from where the next units take them without copies."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from e2e3d.pipeline.units import references


class KeptResults:
    """References to results by content key; the oldest go, so that together they never fill the store of a machine."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    def __contains__(self, key: str) -> bool:
        return key in self._kept

    def __getitem__(self, key: str) -> Any:
        return self._kept[key][0]

    def keep(self, key: str, output: Any, size_bytes: int, store_bytes: int) -> None:
        """Hold a result, and let the oldest go until all take at most half of a store of that capacity."""
        if size_bytes:
            self._bytes += size_bytes - self._kept.get(key, (None, 0))[1]
            self._kept[key] = (output, size_bytes)
        while self._kept and self._bytes > store_bytes // 2:
            _, (_, gone_bytes) = self._kept.popitem(last=False)
            self._bytes -= gone_bytes

    def inputs_of(self, inputs: object, store_bytes: int) -> dict[str, Any]:
        """Inputs to pass through the Ray store: all that are there, unless together they could crowd it.

        Ray fetches every argument before a task starts, so a unit with many inputs loads them one after another from
        the artifact store instead.
        """
        found = {ref.key: self._kept[ref.key] for ref in references(inputs) if ref.key in self._kept}
        if sum(size for _, size in found.values()) > store_bytes // 8:
            return {}
        return {key: value for key, (value, _) in found.items()}

    def clear(self) -> None:
        """Let go of all."""
        self._kept.clear()
        self._bytes = 0
