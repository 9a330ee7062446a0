"""Threads for what waits: a few for each user, so that nobody's waiting takes those that answer everybody."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter

THREADS_EACH = 8

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


class UserThreads:
    """Runs what may wait long (for a turn, a resolver, a slow receiver) beside the threads that routes run in.

    All users share those, and there are forty of them: as many waits of one user held up every request of a replica.

    Args:
        each: how many one user has at once; what comes beyond waits without a thread.
    """

    def __init__(self, each: int = THREADS_EACH) -> None:
        self._each = each
        self._limiters: dict[str, CapacityLimiter] = {}
        self._using: Counter[str] = Counter()

    async def run(
        self, user_id: str, work: Callable[_Given, _Result], *args: _Given.args, **kwargs: _Given.kwargs
    ) -> _Result:
        """The result of ``work(*args, **kwargs)``; all calls come from one event loop."""
        limiter = self._limiters.setdefault(user_id, CapacityLimiter(self._each))
        self._using[user_id] += 1
        try:
            return await anyio.to_thread.run_sync(functools.partial(work, *args, **kwargs), limiter=limiter)
        finally:
            self._using[user_id] -= 1
            if not self._using[user_id]:
                del self._using[user_id], self._limiters[user_id]


def in_user_threads(route: Callable[..., _Result]) -> Callable[..., Awaitable[_Result]]:
    """Let a route that is a plain function, and has a `caller` and `services`, run in the threads of its caller."""

    @functools.wraps(route)
    async def run(**given: Any) -> _Result:
        threads: UserThreads = given["services"].threads
        return await threads.run(given["caller"].id, route, **given)

    return run
