"""Examples for every JSON body of the OpenAPI document, put together from one value for each name of a member.

A model that has an example of its own keeps it. The test of the document checks that each example is valid.
"""

from __future__ import annotations

from typing import Any

_ID = "5f0c8a3e-5b0e-4c6e-9a55-0a1b2c3d4e5f"
_MOMENT = "2026-05-04T09:30:00Z"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_OF_NAME: dict[str, Any] = {
    "email": "ada@example.org",
    "password": "correct horse battery",
    "current_password": "correct horse battery",
    "new_password": "another long password",
    "name": "Statue in the park",
    "path": "model.glb",
    "quality": "medium",
    "state": "running",
    "stage": "depth",
    "settings": {"depth.max_size_px": 768},
    "options": {},
    "outputs": ["glb", "report"],
    "progress": 0.62,
    "units_done": 7,
    "units_total": 18,
    "sha256": _SHA256,
    "media_type": "model/gltf-binary",
    "bytes": 4821004,
    "result_bytes": 4821004,
    "url": "https://example.org/hooks/e2e3d",
    "webhook_url": "https://example.org/hooks/e2e3d",
    "access_token": "eyJhbGciOiJIUzI1NiJ9.…",
    "refresh_token": "e2r_…",
    "key": "e2e_…",
    "secret": "whsec_…",
    "scopes": ["read", "write"],
    "event_types": ["job.succeeded"],
    "level": "info",
    "message": "depth: 18 units, 31.2 s",
    "event_type": "job.succeeded",
    "expires_in": 900,
    "expires_in_s": 900,
    "seconds_low": 95.0,
    "seconds_high": 240.0,
    "memory_bytes": 1500000000,
    "disk_bytes": 800000000,
    "photos": 18,
    "photo_count": 18,
    "megapixels": 12.0,
    "width_px": 4000,
    "height_px": 3000,
}


def add_examples(document: dict[str, Any]) -> None:
    """Give every JSON body of an OpenAPI document that has none an example, in place."""
    for item in document["paths"].values():
        for operation in item.values():
            if not isinstance(operation, dict):
                continue
            answers = [answer for status, answer in operation["responses"].items() if int(status) < 400]
            for body in (operation.get("requestBody", {}), *answers):
                for kind, content in body.get("content", {}).items():
                    if (
                        kind == "application/json"
                        and "schema" in content
                        and not {"example", "examples"} & set(content)
                    ):
                        content["example"] = _example("", content["schema"], document["components"]["schemas"])


def _example(name: str, schema: dict[str, Any], known: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _example(name, known[schema["$ref"].rpartition("/")[2]], known)
    own = schema.get("examples", [None])[0]
    if isinstance(own, dict) and "properties" in schema:  # a subclass has its parent's, which may lack members
        missing = {member: part for member, part in schema["properties"].items() if member not in own}
        return own | {member: _example(member, part, known) for member, part in missing.items()}
    if own is not None:
        return own
    for fixed in ("const", "default"):
        if schema.get(fixed) is not None:
            return schema[fixed]
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return None if {"type": "null"} in choices and name not in _OF_NAME else _example(name, choices[0], known)
    if "enum" in schema:
        return _OF_NAME[name] if _OF_NAME.get(name) in schema["enum"] else schema["enum"][0]
    return _of_type(name, schema, known)


def _of_type(name: str, schema: dict[str, Any], known: dict[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        return {member: _example(member, part, known) for member, part in schema["properties"].items()}
    if kind == "array" and not _fits(name, list):
        one = _example(name.removesuffix("s"), schema["items"], known)
        return ([one] * max(schema.get("minItems", 1), 1))[: schema.get("maxItems")]
    if kind == "string":
        return _string(name, schema)
    if kind in ("integer", "number"):
        return _OF_NAME[name] if _fits(name, int | float) else max(schema.get("minimum", 1), 1)
    if kind == "boolean":
        return False
    return _OF_NAME[name] if _fits(name, list if kind == "array" else dict) else {}


def _string(name: str, schema: dict[str, Any]) -> str:
    if schema.get("format") == "date-time":
        return _MOMENT
    if _fits(name, str):
        return str(_OF_NAME[name])
    return _SHA256 if "sha256" in name else _ID if name == "id" or name.endswith("_id") else "text"


def _fits(name: str, kind: Any) -> bool:
    return isinstance(_OF_NAME.get(name), kind)
