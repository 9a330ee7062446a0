"""Work with the service as generators that do no input or output themselves.

A flow yields commands and is sent their results; a driver carries the commands out, one with threads
(:mod:`e2e3d.client.blocking`), one on an event loop (:mod:`e2e3d.client.asynchronous`). So retries, sign-in, uploads,
downloads and watching are written once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from e2e3d.client.wire import Call

T = TypeVar("T")


@dataclass(frozen=True)
class Send:
    """Send a request; the result is its Reply. Raises UnreachableError into the flow."""

    call: Call


@dataclass(frozen=True)
class Open:
    """Send a request and keep its answer open for :class:`Read`; the result is a Reply without content."""

    call: Call


@dataclass(frozen=True)
class Read:
    """The next bytes of the answer that is open; b"" at its end. Raises UnreachableError into the flow."""


@dataclass(frozen=True)
class Emit:
    """Hand a value to whoever iterates over the flow."""

    value: Any


@dataclass(frozen=True)
class Pause:
    """Do nothing for a while."""

    seconds: float


@dataclass(frozen=True)
class Compute:
    """Work that would hold up an event loop, such as hashing a file; the result is what it returns."""

    work: Callable[[], Any]


@dataclass(frozen=True)
class Together:
    """Run flows side by side, at most `at_once`; the result is the list of theirs. The first error ends all."""

    flows: Sequence[Flow[Any]]
    at_once: int


@dataclass(frozen=True)
class Alone:
    """Run a flow while no other flow of this client runs one in `Alone`; the result is its result."""

    flow: Flow[Any]


Command = Send | Open | Read | Emit | Pause | Compute | Together | Alone
Flow = Generator[Command, Any, T]
