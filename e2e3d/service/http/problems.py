"""Errors of the API as RFC 9457 problem documents: a stable code, what is wrong, what to do, and the request's id."""

from __future__ import annotations

import http
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.requests import HTTPConnection
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from e2e3d.errors import CancelledError, E2E3DError, InputError, MachineError, ReconstructionError, SettingsError
from e2e3d.service.http.redaction import without_signatures
from e2e3d.service.public_errors import public_error

MEDIA_TYPE = "application/problem+json"
CHECKSUM_MISMATCH = 460
"""Status that tus answers when bytes were changed on their way."""
_LONGEST = 500
_LOG = logging.getLogger("e2e3d.serve")
_STATUS_OF_CODE = {
    "email-taken": 409,
    "last-admin": 409,
    "quota-bytes": 413,
    "quota-photos": 403,
    "quota-jobs": 429,
    "too-many-uploads": 409,
    "upload-pieces": 413,
}
_STATUS_OF_KIND: tuple[tuple[type[E2E3DError], int], ...] = (
    (SettingsError, 422),
    (InputError, 422),
    (ReconstructionError, 422),
    (MachineError, 503),
    (CancelledError, 409),
)
_CODE_OF_STATUS = {400: "bad-request", 404: "not-found", 405: "method-not-allowed", 413: "body-too-large"}
_ACTION_OF_STATUS = {
    404: "Check the address.",
    405: "Use one of the methods in the Allow header.",
    413: "Send less at once.",
}


class Problem(BaseModel):
    """An error, as RFC 9457 describes it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:e2e3d:problem:job-missing",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "There is no such job.",
                    "code": "job-missing",
                    "action": "List your jobs to see their ids.",
                    "request_id": "0f5c2d1e8b7a4c36",
                }
            ]
        }
    )

    type: str = Field(description="Names the kind of problem; ends with the code.")
    title: str = Field(description="What the status means.")
    status: int
    detail: str = Field(description="What is wrong, in one sentence.")
    code: str = Field(description="Stable code that programs can rely on.")
    action: str = Field(description="What you can do about it.")
    request_id: str | None = Field(default=None, description="Names the request in the logs of the service.")
    errors: list[FieldProblem] | None = Field(default=None, description="Each value that is not valid.")


class FieldProblem(BaseModel):
    """A value of the request that is not valid."""

    location: str = Field(description="Where the value stands, such as `body.name`.")
    detail: str


class ProblemError(E2E3DError):
    """An error with the HTTP status that it means; `headers` go into the answer."""

    def __init__(
        self, status: int, code: str, message: str, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code, message, hint)
        self.status = status
        self.headers = dict(headers or {})

    def __reduce__(self) -> tuple[Callable[..., ProblemError], Any]:
        return type(self), (self.status, self.code, self.message, self.hint, self.headers)


class BodyError(HTTPException):
    """What is wrong with a body while it is read; FastAPI passes this class through to the handlers."""

    def __init__(self, status: int, code: str, message: str, hint: str) -> None:
        super().__init__(status, message, {"Connection": "close"})
        self.code, self.hint = code, hint


def missing(what: str) -> ProblemError:
    """404 for something that does not exist or belongs to somebody else: both look the same."""
    return ProblemError(
        404,
        f"{what.lower().replace(' ', '-')}-missing",
        f"There is no such {what}.",
        f"List your {what}s to see their ids.",
    )


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documentation of problem answers, for ``responses=`` of a router or a route."""
    return {status: problem_response(status) for status in statuses}


def problem_response(status: int) -> dict[str, Any]:
    """The documentation of one problem answer."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": _phrase(status), "content": {MEDIA_TYPE: {"schema": schema}}}


def status_of(error: E2E3DError) -> int:
    """The HTTP status that an error of the package means."""
    if isinstance(error, ProblemError):
        return error.status
    if error.code in _STATUS_OF_CODE:
        return _STATUS_OF_CODE[error.code]
    if error.code.endswith("-missing") and isinstance(error, InputError):
        return 404
    return next((status for kind, status in _STATUS_OF_KIND if isinstance(error, kind)), 500)


def problem(
    request: HTTPConnection,
    status: int,
    code: str,
    detail: str,
    action: str,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, str]] | None = None,
) -> Response:
    """A problem document as an answer."""
    content: dict[str, Any] = {
        "type": f"urn:e2e3d:problem:{code}",
        "title": _phrase(status),
        "status": status,
        "detail": detail,
        "code": code,
        "action": action,
        "request_id": request.scope.get("state", {}).get("request_id"),
    }
    if errors is not None:
        content["errors"] = list(errors)
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")
    request.scope.setdefault("state", {})["problem_code"] = code
    return Response(body, status, dict(headers or {}), MEDIA_TYPE)


def _phrase(status: int) -> str:
    """What a status means; tus has one of its own."""
    return "Checksum Mismatch" if status == CHECKSUM_MISMATCH else http.HTTPStatus(status).phrase


def add_handlers(app: FastAPI) -> None:
    """Answer every expected error with a problem document; see :func:`unexpected` for the others."""
    app.add_exception_handler(E2E3DError, _package_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


async def _package_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, E2E3DError)
    status = status_of(error)
    headers = dict(error.headers) if isinstance(error, ProblemError) else {}
    if status == 503:
        headers.setdefault("Retry-After", "5")
        _LOG.warning("%s: %s", error.code, error.message, exc_info=error.__cause__)
    told = public_error(error)
    return problem(request, status, told.code, told.message, told.hint, headers)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"location": _short(".".join(str(part) for part in one["loc"])), "detail": _short(str(one["msg"]))}
        for one in error.errors()
    ]
    first = f"{errors[0]['location']}: {errors[0]['detail']}" if errors else "The request is not valid"
    action = "Correct the request; the members of `errors` say where."
    return problem(request, 422, "invalid-request", f"{first}.", action, errors=errors)


def _short(text: str) -> str:
    """Without the end of what is very long: names of members are the client's, and come back in the answer."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, BodyError):
        return problem(request, error.status_code, error.code, error.detail, error.hint, error.headers)
    status = error.status_code
    code = _CODE_OF_STATUS.get(status, http.HTTPStatus(status).phrase.lower().replace(" ", "-"))
    detail = f"{error.detail}".rstrip(".") + "."
    action = _ACTION_OF_STATUS.get(status, "Check the request.")
    return problem(request, status, code, detail, action, error.headers)


def unexpected(request: HTTPConnection, error: Exception) -> Response:
    """Log a mistake of this program, and answer without telling what it was."""
    _LOG.error("Unexpected error in %s", without_signatures(request.url.path), exc_info=error)
    action = "Try again; if it happens again, tell the operator of the service the request_id."
    return problem(request, 500, "internal-error", "The service failed unexpectedly.", action)
