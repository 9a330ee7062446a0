"""The units that are still to be submitted: those of early passes first, none before its inputs are there."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from e2e3d.pipeline.passes import PassUnits
from e2e3d.pipeline.units import UnitCall, locate, references


@dataclass(frozen=True, order=True)
class UnitAttempt:
    """One try at a unit.

    Attributes:
        rank: of its work: earlier work goes first.
        place: of the unit in its work.
        call: the unit.
        title: of the unit for people, such as ``depth: A.jpg``.
        number: of the try, from 1.
        lack_of_memory: whether the one before ended for lack of it.
        interruptions: tries before it whose node died, which are not counted.
    """

    rank: int
    place: int
    call: UnitCall = field(compare=False)
    title: str = field(default="", compare=False)
    number: int = field(default=1, compare=False)
    lack_of_memory: bool = field(default=False, compare=False)
    interruptions: int = field(default=0, compare=False)

    def again(self, lack_of_memory: bool) -> UnitAttempt:
        """The next try after one that failed."""
        return replace(self, number=self.number + 1, lack_of_memory=lack_of_memory)

    def interrupted(self) -> UnitAttempt:
        """The same try once more, elsewhere."""
        return replace(self, interruptions=self.interruptions + 1)


class UnitQueue:
    """Units of several works in the order in which they should be submitted."""

    def __init__(self, work: Sequence[PassUnits]) -> None:
        self._ready: list[UnitAttempt] = []
        self._lacks: dict[str, set[str]] = {}
        self._waiting: dict[str, list[UnitAttempt]] = defaultdict(list)
        pending = {key for part in work for key in part.units}
        for rank, part in enumerate(work):
            path = locate(part.stage) if part.units else ""
            for place, (key, inputs) in enumerate(part.units.items()):
                attempt = UnitAttempt(rank, place, UnitCall(path, key, inputs, part.config), part.titles[key])
                lacks = {ref.key for ref in references(inputs)} & pending
                if not lacks:
                    self.add(attempt)
                    continue
                self._lacks[key] = lacks
                for missing in lacks:
                    self._waiting[missing].append(attempt)

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def rank(self) -> int:
        """Of the work that the next unit belongs to."""
        return self._ready[0].rank

    def pop(self) -> UnitAttempt:
        """The next unit."""
        return heapq.heappop(self._ready)

    def add(self, attempt: UnitAttempt) -> None:
        """Take in a unit whose inputs are there."""
        heapq.heappush(self._ready, attempt)

    def stored(self, key: str) -> None:
        """Note that the result `key` is there."""
        for attempt in self._waiting.pop(key, ()):
            lacks = self._lacks[attempt.call.key]
            lacks.discard(key)
            if not lacks:
                self.add(attempt)
