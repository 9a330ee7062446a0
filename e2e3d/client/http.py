"""What both drivers share of httpx: arguments of a request, time limits, errors, and the stepping through a flow."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import httpx

from e2e3d.client.errors import UnreachableError
from e2e3d.client.flow import Command, Flow, T
from e2e3d.client.proxies import SETTINGS, direct_patterns, is_loopback, proxy_of, through
from e2e3d.client.wire import Body, Call, Reply
from e2e3d.errors import SettingsError

TIMEOUT = httpx.Timeout(60.0, connect=10.0, pool=None)
LIMITS = httpx.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=20.0)
USER_AGENT = "e2e3d-client"
_Http = TypeVar("_Http", httpx.Client, httpx.AsyncClient)


def make_http(kind: Callable[..., _Http], url: str) -> _Http:
    """A client of httpx for the service at `url`; a proxy of the environment never gets what is for this machine.

    Raises:
        SettingsError: ``bad-proxy``.
    """
    try:
        return kind(timeout=TIMEOUT, limits=LIMITS, mounts=direct_patterns(url))
    except (ImportError, ValueError, httpx.InvalidURL) as error:  # the proxy's scheme or address
        if is_loopback(url):
            return kind(timeout=TIMEOUT, limits=LIMITS, trust_env=False)
        raise SettingsError(
            "bad-proxy", f"The proxy of the environment cannot be used: {error}.", f"Correct {SETTINGS}."
        ) from error


class Stepper(Generic[T]):
    """A flow and what it is to be told next."""

    def __init__(self, flow: Flow[T]) -> None:
        self._flow = flow
        self._answer: Any = None
        self._failure: Exception | None = None
        self._results: list[T] = []

    def step(self) -> Command | None:
        """Go on to the flow's next command; None when it has returned."""
        failure, answer = self._failure, self._answer
        self._failure = self._answer = None
        try:
            return self._flow.send(answer) if failure is None else self._flow.throw(failure)
        except StopIteration as end:
            self._results.append(end.value)
            return None

    def answer(self, value: Any) -> None:
        """Tell it the result of its command."""
        self._answer = value

    def fail(self, error: Exception) -> None:
        """Tell it that its command failed."""
        self._failure = error

    def close(self) -> None:
        """Let it tidy up."""
        self._flow.close()

    @property
    def result(self) -> T:
        """What the flow returned."""
        return self._results[0]


def request_arguments(url: str, call: Call) -> tuple[dict[str, Any], Body | None]:
    """Keyword arguments of httpx for a call, without its streamed body, which differs between the drivers."""
    headers = {"user-agent": USER_AGENT, "accept-encoding": "identity", **call.headers}
    arguments: dict[str, Any] = {
        "method": call.method,
        "url": call.path if call.path.startswith(("http://", "https://")) else url + call.path,
        "headers": headers,
    }
    if call.parameters:
        arguments["params"] = call.parameters
    if call.json is not None:
        arguments["content"] = json.dumps(call.json).encode()
        headers.setdefault("content-type", "application/json")
    elif call.body is not None:
        headers["content-length"] = str(call.body.size_bytes)
    return arguments, call.body


def follows(call: Call) -> bool:
    """Whether redirects are followed; httpx sends no token to another host."""
    return call.method in ("GET", "HEAD")


def head(response: httpx.Response, content: bytes = b"") -> Reply:
    """An answer of httpx as a value."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, content, proxy_of(str(response.url)))


def meaning(error: httpx.HTTPError | httpx.InvalidURL, url: str) -> Exception:
    """What an error of httpx means to the user."""
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return SettingsError("bad-url", f"{url} is not a URL: {error}.", "Correct it.")
    sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return UnreachableError(f"{url} does not answer{through(url)}: {str(error) or type(error).__name__}.", sent)
