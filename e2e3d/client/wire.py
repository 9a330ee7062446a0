"""Requests and answers as values: what is sent and what came back, with no transport in sight."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from e2e3d.client.errors import ApiError, error_of

PROBLEM = "application/problem+json"
REPEATABLE_METHODS = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")
QueryValue = str | int | Sequence[str] | None


@dataclass(frozen=True)
class Body:
    """A body that is streamed: its size, and a function that begins to read it anew."""

    size_bytes: int
    open: Callable[[], Iterable[bytes]]


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        path: below the service's address, or a whole URL (signed links); those get no token.
        json: body as a JSON document; `body` is one of raw bytes, streamed.
        sink: is given the head of a successful answer and returns what takes its body piece by piece; without one the
            body is kept in the reply.
        repeatable: sending it twice does no harm; None = by the method.
        authorised: send the token or key along.
    """

    method: str
    path: str
    query: Mapping[str, QueryValue] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    body: Body | None = None
    sink: Callable[[Reply], Callable[[bytes], None]] | None = None
    repeatable: bool | None = None
    authorised: bool = True

    @property
    def may_repeat(self) -> bool:
        """Whether it may be sent again when nobody knows if it has been done."""
        return self.method in REPEATABLE_METHODS if self.repeatable is None else self.repeatable

    @property
    def to_service(self) -> bool:
        """Whether the service itself is asked; a signed link can lead to its store."""
        return not self.path.startswith(("http://", "https://"))

    @property
    def parameters(self) -> dict[str, str | int | Sequence[str]]:
        """The query without what is not set."""
        return {name: value for name, value in self.query.items() if value is not None}


@dataclass(frozen=True)
class Reply:
    """One answer.

    Attributes:
        headers: their names are in lower case.
        content: empty where it went into a sink.
        proxy: that it came through.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes = b""
    proxy: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the service did what was asked."""
        return 200 <= self.status < 300

    @property
    def is_problem(self) -> bool:
        """Whether it is an error in the service's own format (RFC 9457), which shows without its body too."""
        return not self.ok and self.headers.get("content-type", "").partition(";")[0].strip().lower() == PROBLEM

    def json(self) -> Any:
        """The body as JSON. Raises ApiError when it is none: something other than the service has answered."""
        try:
            return json.loads(self.content)
        except ValueError as error:
            through = "" if self.proxy is None else f", but came through the proxy {self.proxy}"
            message = f"The answer is not from an E2E3D service{through}."
            raise ApiError("not-the-service", message, "Check the URL.", self.status) from error

    def checked(self) -> Reply:
        """This reply, if it is a good one. Raises an ApiError that says what the service said."""
        if self.ok:
            return self
        raise error_of(self.status, self.content, self.headers.get("x-request-id"), self.proxy)


def path(*parts: str) -> str:
    """A path under /v1 with every part quoted."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)
