"""Wakes event streams when there is news for their users.

One thread a process watches the notifier (Redis) where there is one, and the newest id in the database otherwise. It
only says that it is time to look: each stream reads its own events after the last id that it sent, so nothing is lost
when a notification is, and a stream holds no queue that a slow reader could fill.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator

from e2e3d.errors import MachineError
from e2e3d.service.database import Database
from e2e3d.service.events import queries as events
from e2e3d.service.events.event_notifier import EventNotifier

_POLL_S = 0.5
_POLL_BESIDE_BELL_S = 2.0


class Follower:
    """One stream of one user's events."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Say that there may be news; from any thread."""
        with contextlib.suppress(RuntimeError):  # its loop has ended
            self._loop.call_soon_threadsafe(self._news.set)

    async def news(self, timeout_s: float) -> None:
        """Wait until there may be news, at most `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), timeout_s)
        self._news.clear()


class Followers:
    """All streams of this process."""

    def __init__(self, database: Database, notifier: EventNotifier) -> None:
        self._database = database
        self._bell = notifier
        self._lock = threading.Lock()
        self._of_user: dict[str, set[Follower]] = defaultdict(set)
        self._watching = False

    @contextlib.contextmanager
    def follow(self, user_id: str) -> Iterator[Follower]:
        """A follower of one user's events while the block runs."""
        follower = Follower()
        with self._lock:
            self._of_user[user_id].add(follower)
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="followers", daemon=True).start()
        try:
            yield follower
        finally:
            with self._lock:
                self._of_user[user_id].discard(follower)
                if not self._of_user[user_id]:
                    del self._of_user[user_id]

    def count(self, user_id: str) -> int:
        """How many streams of the user are open in this process."""
        with self._lock:
            return len(self._of_user.get(user_id, ()))

    def _watch(self) -> None:
        """Look for news until nobody follows any more."""
        period_s = _POLL_S if self._bell.url is None else _POLL_BESIDE_BELL_S
        notifications = None if self._bell.url is None else self._bell.notifications(_POLL_S)
        seen, looked_s = 0, 0.0
        while self._somebody_follows():
            user = next(notifications) if notifications is not None else None
            if user is not None:
                self._wake({user})
            elif notifications is None:
                time.sleep(period_s)
            if time.monotonic() - looked_s >= period_s:
                looked_s = time.monotonic()
                seen = self._look(seen)

    def _look(self, seen: int) -> int:
        try:
            with self._database.reading() as session:
                newest = events.newest_id(session)
                if newest > seen:
                    self._wake(events.users_since(session, seen) if seen else None)
                return newest
        except MachineError:
            return seen

    def _wake(self, users: set[str] | frozenset[str] | None) -> None:
        with self._lock:
            chosen = list(self._of_user) if users is None else [user for user in users if user in self._of_user]
            for user in chosen:
                for follower in self._of_user[user]:
                    follower.wake()

    def _somebody_follows(self) -> bool:
        with self._lock:
            self._watching = bool(self._of_user)
            return self._watching
