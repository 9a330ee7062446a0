"""Rings when a user has new events, so that followers in other processes look at once instead of a moment later.

The database is the truth about events, and followers look there anyhow from time to time. The notifier only makes them
quick: it is a Redis channel where there is a Redis, and silent otherwise or while Redis is away.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

_CHANNEL = "e2e3d:events"
_PATIENCE_S = 0.5
_RETRY_S = 5.0


class EventNotifier:
    """Rings, and is heard, through Redis; without an address it does neither.

    Args:
        redis_url: such as ``redis://host:6379/0``; None = silent.
    """

    def __init__(self, redis_url: str | None) -> None:
        self.url = redis_url
        self._client: Any = None
        self._away_until_s = 0.0

    def notify(self, user_id: str) -> None:
        """Tell whoever listens that this user has new events; never fails, and hardly ever waits."""
        if self.url is None or time.monotonic() < self._away_until_s:
            return
        from redis import RedisError

        try:
            self._connected().publish(_CHANNEL, user_id)
        except (RedisError, OSError):
            self._away_until_s = time.monotonic() + _RETRY_S

    def notifications(self, timeout_s: float) -> Iterator[str | None]:
        """Yield the user of every ring; None after `timeout_s` without one, and while Redis is away."""
        from redis import RedisError

        while True:
            try:
                with contextlib.closing(self._connected().pubsub(ignore_subscribe_messages=True)) as subscription:
                    subscription.subscribe(_CHANNEL)
                    while True:
                        message = subscription.get_message(timeout=timeout_s)
                        yield None if message is None else str(message["data"])
            except (RedisError, OSError, ValueError):  # the last when its connection is closed while it listens
                time.sleep(timeout_s)
                yield None

    def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            self._client.close()

    def _connected(self) -> Any:
        if self._client is None:
            import redis

            self._client = redis.Redis.from_url(
                str(self.url),
                socket_connect_timeout=_PATIENCE_S,
                socket_timeout=_PATIENCE_S,
                decode_responses=True,
            )
        return self._client
