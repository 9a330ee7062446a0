"""The OpenAPI document: complete, and true of what the application answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from e2e3d.service.http.problems import MEDIA_TYPE
from tests.service.api import Api
from tests.service.test_security import ADMINISTRATION, HTTP, PUBLIC, TUS, World, world

__all__ = ["world"]

_METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture
def document(embedded_api: Api) -> dict[str, Any]:
    answer = embedded_api.client.get("/v1/openapi.json")
    assert answer.status_code == 200
    return dict(answer.json())


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    operations = list(_operations(document))
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(ids) == len(set(ids))
    for method, path, operation in operations:
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        assert operation["tags"], where
        protected = (method, path) not in PUBLIC
        assert bool(operation.get("security")) == protected, where
        if protected:
            assert {"401", "403", "503"} <= set(operation["responses"]), where
        if "{" in path and path.startswith("/v1/") and method != "OPTIONS":
            assert "404" in operation["responses"], where


def test_problems_are_documented_as_what_they_are(document: dict[str, Any]) -> None:
    for method, path, operation in _operations(document):
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and path.startswith("/v1/"):
                schema = answer["content"][MEDIA_TYPE]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}, (method, path, status)


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    text = json.dumps(document)
    wanted = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert wanted <= set(schemas)
    assert "HTTPValidationError" not in schemas


def test_every_json_body_has_an_example_that_is_valid(document: dict[str, Any]) -> None:
    for method, path, operation in _operations(document):
        answers = [answer for status, answer in operation["responses"].items() if int(status) < 400]
        for body in (operation.get("requestBody", {}), *answers):
            content = body.get("content", {}).get("application/json")
            if content is not None:
                schema = content["schema"] | {"components": document["components"]}
                found = list(jsonschema.Draft202012Validator(schema).iter_errors(content["example"]))
                assert not found, (method, path, found[0].message)


@pytest.fixture(scope="module")
def described(world: World) -> Iterator[schemathesis.BaseSchema]:
    logger = logging.getLogger("e2e3d")
    level = logger.level
    yield schemathesis.openapi.from_asgi("/v1/openapi.json", world.api.app)
    logger.setLevel(level)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path"), [one for one in HTTP if not one[1].endswith("/events")])  # endless
def test_answers_are_as_documented(world: World, described: schemathesis.BaseSchema, method: str, path: str) -> None:
    """No 5xx and nothing that the document does not say, for made-up ids and for those of the caller's resources."""
    user_id = world.root if ADMINISTRATION.match(path) else world.ada
    headers = world.api.headers(user_id) | TUS

    @settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    @given(case=described[path][method].as_strategy())
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=headers, checks=_CHECKS)
        known = {name: world.names[name] for name in case.path_parameters if name in world.names}
        if known and method != "DELETE":
            case.path_parameters.update(known)
            case.call_and_validate(headers=headers, checks=_CHECKS)

    check()
