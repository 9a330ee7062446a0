"""Slows down guessing of passwords, counted in Redis or in the database; locks out nobody who has logged in before.

A device that has logged in to the account before (``auth/devices.py``) has a count of its own, which no stranger can
exhaust. Anybody else is counted with their address and the account together, by their address, and, more generously,
by the account: guesses from very many addresses slow down all devices that the account has never been used from.

An attempt counts before its password is checked, so attempts at the same time cannot exceed a limit together; one that
succeeds is taken out again.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import logging
import math
import uuid
from dataclasses import dataclass

import redis

from e2e3d.service.database import Database
from e2e3d.service.database.table_base import now
from e2e3d.service.http.problems import ProblemError
from e2e3d.service.sign_in import throttle_queries as throttle
from e2e3d.service.sign_in.throttle_queries import Refusal

WINDOW_S = 900
DEVICE_LIMIT, PAIR_LIMIT, ADDRESS_LIMIT, ACCOUNT_LIMIT = 10, 10, 50, 200
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


@dataclass(frozen=True)
class Attempt:
    """An attempt to log in that was counted: under which keys, each with its limit, when, and its own name."""

    limits: dict[str, int]
    at: datetime.datetime
    id: str


class Throttle:
    """Counts attempts to log in of the last 15 minutes; where Redis does not answer, the database counts."""

    def __init__(self, database: Database, redis_url: str | None) -> None:
        self._database = database
        self._redis = None
        if redis_url:
            self._redis = redis.Redis.from_url(redis_url, socket_timeout=1.0, socket_connect_timeout=1.0)

    def attempt(self, email: str, address: str | None, device: str | None = None) -> Attempt:
        """Count an attempt to log in.

        Args:
            email: of the account.
            address: where the attempt comes from.
            device: that has logged in to this account before.

        Raises:
            ProblemError: ``too-many-logins`` (429), with Retry-After.
        """
        attempt = Attempt(_limits(email, address, device), now(), uuid.uuid4().hex)
        refusal = self._admitted(attempt)
        if refusal is None:
            return attempt
        wait_s = max(1, math.ceil(WINDOW_S - (attempt.at - refusal.oldest).total_seconds()))
        raise ProblemError(
            429,
            "too-many-logins",
            "There were too many attempts to log in.",
            f"Wait {math.ceil(wait_s / 60)} minutes and try again.",
            {"Retry-After": str(wait_s)},
        )

    def succeeded(self, attempt: Attempt) -> None:
        """Take an attempt out of the counts, with all that the same device, or address, has tried on its account."""
        own = next(iter(attempt.limits))
        if self._redis is not None:
            try:
                self._redis.delete(own)
                for key in attempt.limits:
                    self._redis.zrem(key, attempt.id)
            except redis.RedisError as error:
                _report(error)
        with self._database.session() as session:
            throttle.forget(session, own, list(attempt.limits), attempt.at)

    def close(self) -> None:
        """Close the connections to Redis."""
        if self._redis is not None:
            self._redis.close()

    def _admitted(self, attempt: Attempt) -> Refusal | None:
        if self._redis is not None:
            try:
                return _admitted_by_redis(self._redis, attempt)
            except redis.RedisError as error:
                _report(error)
        with self._database.session() as session:
            return throttle.admit(session, attempt.limits, attempt.at, WINDOW_S)


def _admitted_by_redis(client: redis.Redis, attempt: Attempt) -> Refusal | None:
    moment = attempt.at.timestamp()
    numbers: list[str | float] = [moment, moment - WINDOW_S, attempt.id, *attempt.limits.values()]
    answer = client.eval(_ADMIT, len(attempt.limits), *attempt.limits, *numbers)
    if not isinstance(answer, list) or not answer:
        return None
    return Refusal(answer[0].decode(), datetime.datetime.fromtimestamp(float(answer[1]), datetime.UTC))


def _limits(email: str, address: str | None, device: str | None) -> dict[str, int]:
    """What counts an attempt; the first is what it shares with nobody else."""
    account = email.strip().lower()
    if device is not None:
        return {_key("device", f"{account} {device}"): DEVICE_LIMIT}
    network = _network(address)
    return {
        _key("pair", f"{account} {network}"): PAIR_LIMIT,
        _key("address", network): ADDRESS_LIMIT,
        _key("account", account): ACCOUNT_LIMIT,
    }


def _network(address: str | None) -> str:
    """An address of IPv4, or the /64 of an address of IPv6: whoever has one has all of it."""
    try:
        known = ipaddress.ip_address(address or "")
    except ValueError:
        return address or ""
    return str(known) if known.version == 4 else str(ipaddress.ip_network((known, 64), strict=False))


def _report(error: redis.RedisError) -> None:
    _LOG.warning("Redis does not answer, so the database counts attempts to log in: %s", error)


def _key(kind: str, value: str) -> str:
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return f"e2e3d:login:{kind}:{digest[:32]}"
