"""What a sign-in by the provider remembers on its way, and what the provider says in the end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attempt:
    """A sign-in on its way; the browser carries it, signed.

    Attributes:
        state: comes back with the answer of the provider.
        nonce: comes back in its token.
        verifier: proves to the provider that the code was asked for here (PKCE, RFC 7636).
        to: the path of the page to go to afterwards.
    """

    state: str
    nonce: str
    verifier: str
    to: str


@dataclass(frozen=True)
class Identity:
    """Whom the provider says somebody is.

    Attributes:
        email: None where the provider tells none, or has not verified it.
        is_admin: whether the claim says so; None where roles are given in the service.
    """

    issuer: str
    subject: str
    email: str | None
    name: str
    is_admin: bool | None
