"""The OpenAPI document: what FastAPI derives from the routes, with the problem schema that all errors share."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from e2e3d.serve.examples import add_examples
from e2e3d.service.http.problems import Problem, problem_response

_DESCRIPTION = """
Upload photographs into an image set, submit a job, follow its events, download the model.

Errors are `application/problem+json` (RFC 9457) with a stable `code` and an `action`: what you can do.
Lists come in pages: ask again with `cursor` set to `next_cursor`. Another user's resources answer 404.
""".strip()


def describe(app: FastAPI) -> None:
    """Let the application give out the whole document."""
    derived = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(derived())
        return app.openapi_schema

    app.description = _DESCRIPTION
    app.openapi = openapi  # type: ignore[method-assign]


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, item in document["paths"].items():
        for operation in item.values():
            if isinstance(operation, dict) and path.startswith("/v1/"):
                _complete(operation)
        for status, answer in item.get("head", {}).get("responses", {}).items():
            if int(status) < 400:
                answer.pop("content", None)
    add_examples(document)
    in_query = {"type": "apiKey", "in": "query", "name": "access_token", "description": "For event streams only."}
    components.setdefault("securitySchemes", {})["access_token"] = in_query
    return document


def _complete(operation: dict[str, Any]) -> None:
    """Add what every operation of its kind has: security of streams, and the problems it shares with all others."""
    parameters = operation.get("parameters", [])
    if any(parameter["name"] == "access_token" for parameter in parameters):
        operation["security"] = [{"token": []}, {"access_token": []}]
        operation["parameters"] = [one for one in parameters if one["name"] != "access_token"]
    statuses = {503}
    if operation.get("security"):
        statuses |= {401, 403}
    if "requestBody" in operation:
        statuses |= {400, 408, 413, 422}
    responses = operation.setdefault("responses", {})
    for status in sorted(statuses):
        responses.setdefault(str(status), problem_response(status))
    if "422" in responses:
        responses["422"] = problem_response(422)
