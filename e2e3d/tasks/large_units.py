"""Units that take most of a machine, on a cluster that several drivers share: each tells the others that it waits.

Ray hands what comes free to whoever fits, so a unit that fits only an idle machine would wait for as long as another
driver has small ones. A driver with such a unit therefore starts an actor that does nothing; its name says that a unit
waits. The unit's own process ends it when it begins, and Ray when the driver dies. Drivers that have seen a name of
another one for some seconds submit nothing new until it is gone.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util import list_named_actors

from e2e3d.tasks.cluster_state import Cluster

log = logging.getLogger(__name__)

NAMESPACE = "e2e3d"
_PREFIX = "waits-"
_LARGE = 0.5  # of the memory of a machine: Ray serves smaller ones in turn, since others are held to their share
_LOOK_S, _PATIENCE_S, _STUCK_S = 2.0, 5.0, 30.0


def is_large(cpus: int, memory_bytes: int, cluster: Cluster) -> bool:
    """Whether a unit may find no room beside those of other drivers."""
    return not cluster.started_here and (cpus > 1 or memory_bytes > _LARGE * cluster.node_memory_bytes)


class WaitingUnits:
    """The large units of this driver that wait, and whether one of another driver does."""

    def __init__(self) -> None:
        self._own: dict[str, Any] = {}
        self._others: dict[str, float] = {}  # since when each is known
        self._given_up: set[str] = set()
        self._looked_s = self._idle_since_s = time.monotonic()
        self._numbers = itertools.count()

    def announce(self) -> str:
        """Say that a unit waits; returns the name to hand to it, for :func:`begin`."""
        name = f"{_PREFIX}{ray.get_runtime_context().get_job_id()}-{next(self._numbers)}"
        self._own[name] = _Waiting.options(name=name, namespace=NAMESPACE).remote()
        return name

    def ended(self, name: str) -> None:
        """The unit ended, or will never begin."""
        if (actor := self._own.pop(name, None)) is not None:
            with contextlib.suppress(RayError):
                ray.kill(actor)

    def others_wait(self, busy: bool) -> bool:
        """Whether a large unit of another driver has waited for some seconds.

        One that has still not begun half a minute after this driver had nothing under way (`busy`) waits for something
        else, and is not waited for any more.
        """
        now_s = time.monotonic()
        if busy:
            self._idle_since_s = now_s
        if now_s - self._looked_s > _LOOK_S:
            self._look(now_s)
        return any(now_s - since_s > _PATIENCE_S for since_s in self._others.values())

    def _look(self, now_s: float) -> None:
        self._looked_s = now_s
        names = {each["name"] for each in list_named_actors(all_namespaces=True) if each["namespace"] == NAMESPACE}
        others = {name for name in names if name.startswith(_PREFIX) and name not in self._own}
        if now_s - self._idle_since_s > _STUCK_S:
            self._given_up |= others
        before, self._others = self._others, {}
        for name in sorted(others - self._given_up):
            self._others[name] = before.get(name, now_s)
            if name not in before:
                log.info("a unit of another job needs most of a machine; it is given room")


def begin(name: str) -> None:
    """Called by the unit `name` in its own process: it waits no more."""
    with contextlib.suppress(ValueError, RayError):  # it may have been ended before
        ray.kill(ray.get_actor(name, NAMESPACE))


class _Nothing:
    """Its name is all there is to it."""


_Waiting = ray.remote(num_cpus=0, max_restarts=0)(_Nothing)
