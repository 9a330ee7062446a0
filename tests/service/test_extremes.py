"""Every parameter and every field of every operation with values at and beyond the ends of their types: never a 500."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.service.test_security import ADMINISTRATION, HTTP, TUS, World, _body, world

__all__ = ["world"]

NUMBERS = [
    "0",
    "-1",
    "1e999",
    "nan",
    str(2**31),
    str(2**63 - 1),
    str(2**63),
    "9" * 400,
    "9" * 5000,
    "0x10",
    "1_0",
    "\u0663",
]
MOMENTS = [
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:60Z",
    "99999-01-01T00:00:00Z",
    "-0001-01-01T00:00:00Z",
    "253402300800",
    "1e20",
]
TEXTS = ["", " ", "\0", "\ud800", "%", "_", "'", "..", "a" * 5000, "\u202e", "\U0001f600" * 60, "null", "[]", "{}"]


def _cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


CURSORS = [
    *(_cursor([moment, "x"]) for moment in MOMENTS),
    _cursor(["2026-01-01T00:00:00+00:00", "\0"]),
    _cursor(["2026-01-01T00:00:00+00:00", "\ud800"]),
    _cursor(["2026-01-01T00:00:00+00:00", 1]),
    _cursor([1, 2]),
    _cursor({"a": 1}),
    _cursor(10**400),
    _cursor(None),
    *(
        base64.urlsafe_b64encode(text).decode().rstrip("=")
        for text in (b"p99999999999", b"p" + "\u0663".encode(), b"\xff")
    ),
    "[" * 150,
]
BODIES: list[Any] = [
    None, True, 0, -1, 2**31, 2**63, 10**400, -(10**400), 1e308, 0.1, "", "\0", "\ud800", "a" * 5000, [], [None], {},
    {"a": None}, {"a": {"a": {"a": []}}}, [[]] * 50, "9999-12-31T23:59:59-23:59",
]  # fmt: skip


@pytest.fixture(scope="module")
def document(world: World) -> dict[str, Any]:
    return dict(world.api.client.get("/v1/openapi.json").json())


def _sendable(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _parameters(operation: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Place, name and value."""
    for parameter in operation.get("parameters", ()):
        kinds = json.dumps(parameter["schema"])
        values = TEXTS
        if parameter["name"] == "cursor":
            values = CURSORS
        elif '"integer"' in kinds:
            values = NUMBERS
        elif '"date-time"' in kinds:
            values = MOMENTS
        for value in values:
            yield parameter["in"], parameter["name"], value


def _ask(world: World, method: str, path: str, place: str, name: str, value: str) -> tuple[int, str]:
    names, query = dict(world.names), {}
    headers = world.api.headers(world.root if ADMINISTRATION.match(path) else world.ada) | TUS
    body = _body(method, path, names)
    headers |= body.pop("headers", {})
    if place == "path":
        names[name] = value
    elif place == "query":
        query[name] = _sendable(value)
    else:
        headers[name] = _sendable(value).replace("\0", "").encode("latin-1", "replace").decode("latin-1")
    url = path
    for key, text in names.items():
        quoted = "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass")) or "%20"
        url = url.replace(f"{{{key}}}", quoted)
    answer = world.api.client.request(method, url, headers=headers, params=query, **body)
    return answer.status_code, answer.text[:200]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path"),
    # Streams of events are endless, and what is deleted by the first call is gone.
    [one for one in HTTP if not one[1].endswith("/events") and one[0] != "DELETE"],
)
def test_no_parameter_breaks_the_service(world: World, document: dict[str, Any], method: str, path: str) -> None:
    operation = document["paths"][path].get(method.lower(), {})  # HEAD is not in the document
    for place, name, value in _parameters(operation):
        status, text = _ask(world, method, path, place, name, value)
        assert status < 500 or (status == 503 and "readyz" in path), (place, name, value[:80], status, text)


def _mutations(value: Any) -> Iterator[Any]:
    """The value with each part of it replaced by each of the extremes."""
    yield from BODIES
    if isinstance(value, dict):
        for name in value:
            for changed in _mutations(value[name]):
                yield {**value, name: changed}
    elif isinstance(value, list) and value:
        for changed in _mutations(value[0]):
            yield [changed, *value[1:]]


def _example(document: dict[str, Any], operation: dict[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return None if content is None else copy.deepcopy(content["example"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path"),
    # Passwords are checked slowly by intent.
    [one for one in HTTP if one[0] in ("POST", "PUT", "PATCH") and not one[1].startswith("/v1/auth")],
)
def test_no_body_breaks_the_service(world: World, document: dict[str, Any], method: str, path: str) -> None:
    operation = document["paths"][path].get(method.lower(), {})
    example = _example(document, operation)
    if example is None:
        return  # takes no JSON
    given = _body(method, path, world.names).get("json") or {}
    example = example | given if isinstance(example, dict) else example
    if method == "POST" and path in ("/v1/jobs", "/v1/jobs/{job_id}/rerun", "/v1/forecasts"):
        example["settings"] = {"depth.max_size_px": 64, "depth.sweeps": [1, 1, 1], "depth.noise_sigma": 1.0}
    user = world.root if ADMINISTRATION.match(path) else world.ada
    for body in _mutations(example):
        headers = {**world.api.headers(user), "Content-Type": "application/json"}
        answer = world.api.client.request(method, world.url(path), headers=headers, content=json.dumps(body))
        assert answer.status_code < 500, (str(body)[:300], answer.text[:300])


@pytest.mark.parametrize("path", ["/v1/image-sets", "/v1/jobs", "/v1/webhooks", "/v1/api-keys", "/v1/users"])
def test_a_body_of_many_unknown_members_is_one_error(world: World, path: str) -> None:
    """Fifty thousand errors took the replica's loop for seconds, and made an answer of megabytes."""
    user = world.root if ADMINISTRATION.match(path) else world.ada
    content = "{" + ",".join(f'"member{number}": 1' for number in range(50_000)) + "}"
    headers = {**world.api.headers(user), "Content-Type": "application/json"}
    answer = world.api.client.post(path, headers=headers, content=content)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert "50000 members" in answer.json()["detail"]
    assert len(answer.content) < 1000
    long = world.api.client.post(path, headers=headers, content=json.dumps({"m" * 500_000: 1}))
    assert (long.status_code, long.json()["code"]) == (422, "invalid-request")
    assert len(long.content) < 5000
