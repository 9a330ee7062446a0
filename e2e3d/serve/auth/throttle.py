"""Slows down guessing of passwords: attempts are counted per account and per address, in Redis or in the database.

An attempt counts before its password is checked, so attempts at the same time cannot exceed the limit together.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
import math
import uuid

import redis

from e2e3d.serve.problems import ProblemError
from e2e3d.storage.database import Database
from e2e3d.storage.database.models import now
from e2e3d.storage.database.repository import throttle
from e2e3d.storage.database.repository.throttle import Refusal

WINDOW_S = 900
ACCOUNT_LIMIT, ADDRESS_LIMIT = 10, 50
_LOG = logging.getLogger("e2e3d.serve")
_ADMIT = """
for index, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', ARGV[2])
  if redis.call('ZCARD', key) >= tonumber(ARGV[3 + index]) then
    return {key, redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]}
  end
end
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, ARGV[1], ARGV[3])
  redis.call('EXPIRE', key, 900)
end
return {}
"""


class Throttle:
    """Counts attempts to log in of the last 15 minutes; where Redis does not answer, the database counts."""

    def __init__(self, database: Database, redis_url: str | None) -> None:
        self._database = database
        self._redis = None
        if redis_url:
            self._redis = redis.Redis.from_url(redis_url, socket_timeout=1.0, socket_connect_timeout=1.0)

    def attempt(self, email: str, address: str | None) -> None:
        """Count an attempt to log in.

        Raises:
            ProblemError: ``too-many-logins`` (429), with Retry-After.
        """
        limits = {_key("account", email): ACCOUNT_LIMIT, _key("address", address or ""): ADDRESS_LIMIT}
        at = now()
        refusal = self._admitted(limits, at)
        if refusal is None:
            return
        wait_s = max(1, math.ceil(WINDOW_S - (at - refusal.oldest).total_seconds()))
        raise ProblemError(
            429,
            "too-many-logins",
            "There were too many attempts to log in.",
            f"Wait {math.ceil(wait_s / 60)} minutes and try again.",
            {"Retry-After": str(wait_s)},
        )

    def succeeded(self, email: str) -> None:
        """Forget the attempts of an account, once its user has logged in."""
        key = _key("account", email)
        if self._redis is not None:
            try:
                self._redis.delete(key)
            except redis.RedisError as error:
                _report(error)
        with self._database.session() as session:
            throttle.forget(session, key)

    def close(self) -> None:
        """Close the connections to Redis."""
        if self._redis is not None:
            self._redis.close()

    def _admitted(self, limits: dict[str, int], at: datetime.datetime) -> Refusal | None:
        if self._redis is not None:
            try:
                return _admitted_by_redis(self._redis, limits, at)
            except redis.RedisError as error:
                _report(error)
        with self._database.session() as session:
            return throttle.admit(session, limits, at, WINDOW_S)


def _admitted_by_redis(client: redis.Redis, limits: dict[str, int], at: datetime.datetime) -> Refusal | None:
    moment = at.timestamp()
    numbers: list[str | float] = [moment, moment - WINDOW_S, uuid.uuid4().hex, *limits.values()]
    answer = client.eval(_ADMIT, len(limits), *limits, *numbers)
    if not isinstance(answer, list) or not answer:
        return None
    return Refusal(answer[0].decode(), datetime.datetime.fromtimestamp(float(answer[1]), datetime.UTC))


def _report(error: redis.RedisError) -> None:
    _LOG.warning("Redis does not answer, so the database counts attempts to log in: %s", error)


def _key(kind: str, value: str) -> str:
    digest = hashlib.sha256(value.strip().lower().encode("utf-8", "surrogatepass")).hexdigest()
    return f"e2e3d:login:{kind}:{digest[:32]}"
