"""What can go wrong between a client and the service; `code` is stable, `hint` says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from e2e3d.errors import E2E3DError


class ApiError(E2E3DError):
    """The service refused or failed.

    Attributes:
        status: of the HTTP answer; 0 = there was none.
        request_id: names the request in the service's log.
    """

    exit_code = 6

    def __init__(self, code: str, message: str, hint: str = "", status: int = 0, request_id: str | None = None) -> None:
        super().__init__(code, message, hint)
        self.status = status
        self.request_id = request_id

    def __reduce__(self) -> tuple[Callable[..., E2E3DError], Any]:
        return type(self), (self.code, self.message, self.hint, self.status, self.request_id)


class InvalidRequestError(ApiError):
    """400, 413, 422 and their like: the request itself cannot be carried out."""

    exit_code = 2


class AuthenticationError(ApiError):
    """401 and 403: not signed in, or not allowed to."""

    exit_code = 7


class NotFoundError(ApiError):
    """404 and 410: there is no such thing, or it belongs to somebody else."""

    exit_code = 8


class ConflictError(ApiError):
    """409 and 412: the state of the thing does not allow it."""


class RateLimitedError(ApiError):
    """429: too much, too fast, or over a quota."""


class ServiceUnavailableError(ApiError):
    """5xx that lasted longer than the client's patience."""

    exit_code = 5


class UnreachableError(ApiError):
    """No answer: the service does not run, or the network is down.

    Attributes:
        sent: the request may have reached the service.
    """

    exit_code = 5

    def __init__(self, message: str, sent: bool = False) -> None:
        super().__init__("unreachable", message, "Check the URL, and that the service runs.")
        self.sent = sent

    def __reduce__(self) -> tuple[Callable[..., E2E3DError], Any]:
        return type(self), (self.message, self.sent)


class JobEndedError(ApiError):
    """A job that was waited for has failed or was cancelled; `code` and `hint` are the job's own."""

    exit_code = 4


class DamagedDownloadError(ApiError):
    """A downloaded file is not what the service announced."""

    exit_code = 5


_BY_STATUS: dict[int, type[ApiError]] = {
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    412: ConflictError,
    429: RateLimitedError,
}


def error_of(status: int, content: bytes, request_id: str | None = None, proxy: str | None = None) -> ApiError:
    """The error that a problem document (RFC 9457) describes, or one by the status where there is none.

    Args:
        status: of the answer.
        content: its body.
        request_id: of its headers.
        proxy: that it came through, and may have come from.
    """
    try:
        problem = json.loads(content)
        problem = problem if isinstance(problem, dict) else {}
    except ValueError:
        problem = {}
    kind = _BY_STATUS.get(status) or (ServiceUnavailableError if status >= 500 else InvalidRequestError)
    answered = (
        f"The service answered {status}." if proxy is None else f"The proxy {proxy} or the service answered {status}."
    )
    message = str(problem.get("detail") or problem.get("title") or answered)
    fields = problem.get("errors")
    if isinstance(fields, list):
        message += "".join(f" Also {one['location']}: {one['detail']}." for one in fields[1:] if _names_a_field(one))
    return kind(
        str(problem.get("code") or f"http-{status}"),
        message,
        str(problem.get("action") or ""),
        status,
        str(problem.get("request_id") or "") or request_id,
    )


def _names_a_field(one: object) -> bool:
    return isinstance(one, dict) and "location" in one and "detail" in one
