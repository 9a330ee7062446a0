"""Whoever a request comes from, once that is known."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.service.accounts.records import Actor, User


@dataclass(frozen=True)
class Caller:
    """The user of a request and what this request may do.

    Attributes:
        scopes: of ``read``, ``write``, ``admin``: those of the user, or fewer for an API key.
        actor: for the audit log.
        login: the login that an access token belongs to; None for an API key.
    """

    user: User
    scopes: frozenset[str]
    actor: Actor
    login: str | None = None

    @property
    def id(self) -> str:
        """The id of the user."""
        return self.user.id
