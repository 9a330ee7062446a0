"""Passwords, hashed with Argon2id (RFC 9106) with the parameters that OWASP's password cheat sheet recommends."""

from __future__ import annotations

import threading

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

_AT_ONCE = 4


class Passwords:
    """Makes and checks hashes, a few at once, so that logins take a bounded amount of memory (46 MiB each)."""

    def __init__(self) -> None:
        self._hasher = argon2.PasswordHasher(time_cost=1, memory_cost=47104, parallelism=1)
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        self._nobody = ""

    def hash(self, password: str) -> str:
        """A new hash with a random salt."""
        with self._turns:
            return self._hasher.hash(password)

    def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether a password belongs to a hash; takes as long for None, the hash of a user who does not exist."""
        known = password_hash is not None
        if not self._nobody:
            self._nobody = self.hash("the password of nobody")
        with self._turns:
            try:
                self._hasher.verify(password_hash if password_hash is not None else self._nobody, password)
            except (VerificationError, InvalidHashError):
                return False
        return known

    def is_outdated(self, password_hash: str) -> bool:
        """Whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)
