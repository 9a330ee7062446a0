"""Tries at a unit: what follows when its process or its whole machine died, and when it is given up."""

from __future__ import annotations

import logging
from typing import NoReturn

from ray import exceptions

from e2e3d.errors import UnitDiedError
from e2e3d.tasks.unit_queue import UnitAttempt

log = logging.getLogger(__name__)

_ATTEMPTS = 3
_INTERRUPTIONS = 20
INTERRUPTED = (
    exceptions.NodeDiedError,
    exceptions.LocalRayletDiedError,
    exceptions.ObjectLostError,
    exceptions.TaskCancelledError,
)
"""Nothing that the unit itself could have done."""
DIED = (
    exceptions.WorkerCrashedError,
    exceptions.OutOfMemoryError,
    exceptions.RayActorError,
    *INTERRUPTED,
)


def next_attempt(attempt: UnitAttempt, error: Exception, innocent: bool = False) -> UnitAttempt:
    """The next try at a unit whose process died; one whose whole machine died does not count, until many did.

    Args:
        attempt: that ended.
        error: how.
        innocent: whether another unit was running in its process.

    Raises:
        UnitDiedError: ``worker-died`` after too many.
    """
    if (innocent or isinstance(error, INTERRUPTED)) and attempt.interruptions < _INTERRUPTIONS:
        log.warning("%s lost its place on the cluster; it is computed elsewhere", attempt.title)
        return attempt.interrupted()
    short = isinstance(error, exceptions.OutOfMemoryError)
    reason = "ran out of memory" if short else "was killed"
    if attempt.number >= _ATTEMPTS:
        _give_up(attempt, reason, error)
    log.warning("the process of %s %s; attempt %d follows", attempt.title, reason, attempt.number + 1)
    return attempt.again(short)


def _give_up(attempt: UnitAttempt, reason: str, error: Exception) -> NoReturn:
    raise UnitDiedError(
        "worker-died",
        f"The process computing {attempt.title} (unit {attempt.call.key}) {reason} {attempt.number} times.",
        "Free memory, or choose a lower quality; then run the same command again: what is finished is kept.",
        attempt.title.partition(": ")[2],
    ) from error
