"""Every route of the application with every kind of caller who may not: new routes are covered by being there."""

from __future__ import annotations

import base64
import datetime
import json
import re
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from e2e3d.serve.app import ROUTERS
from e2e3d.service.accounts.tables import ApiKeyRow, RefreshTokenRow
from e2e3d.service.annotations.tables import AnnotationRow
from e2e3d.service.database.table_base import new_id, now
from e2e3d.service.image_sets.tables import BlobRow, ImageSetRow, PhotoRow
from e2e3d.service.jobs.tables import JobInputRow, JobRow
from e2e3d.service.results.tables import ResultRow
from e2e3d.service.sharing.tables import ShareRow
from e2e3d.service.sign_in import queries as tokens
from e2e3d.service.sign_in.tokens import new_api_key
from e2e3d.service.uploads.tables import UploadRow
from e2e3d.service.webhooks.tables import WebhookDeliveryRow, WebhookRow
from e2e3d.storage.names import thumbnail_name
from tests.service.api import Api, bearer, open_api

# Anybody may ask these; each has its own proof in the request, or tells nothing about anybody.
PUBLIC = {
    ("POST", "/v1/auth/login"),
    ("POST", "/v1/auth/refresh"),
    ("POST", "/v1/auth/logout"),
    ("GET", "/v1/auth/oidc"),
    ("GET", "/v1/auth/oidc/begin"),
    ("GET", "/v1/auth/oidc/callback"),
    ("POST", "/v1/auth/session"),
    ("POST", "/v1/auth/session/link"),
    ("POST", "/v1/auth/session/refresh"),
    ("DELETE", "/v1/auth/session"),
    ("GET", "/v1/shared/{token}"),
    ("GET", "/v1/shared/{token}/ar/model.glb"),
    ("GET", "/v1/shared/{token}/picture"),
    ("GET", "/v1/shared/{token}/results/{path}"),
    ("GET", "/v1/downloads/{token}/{name}"),
    ("HEAD", "/v1/downloads/{token}/{name}"),
    ("OPTIONS", "/v1/image-sets/{image_set_id}/uploads"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
}
# Routes that only read, though they are no GET.
READING = {
    ("POST", "/v1/forecasts"),
    ("POST", "/v1/jobs/{job_id}/rerun-forecast"),
    ("POST", "/v1/jobs/{job_id}/result-links"),
}
ADMINISTRATION = re.compile(r"^/(v1/(users|audit|admin)|metrics)\b")
SHA256 = "a" * 64
TUS = {"Tus-Resumable": "1.0.0"}


def _path(route: APIRoute | APIWebSocketRoute) -> str:
    return re.sub(r":\w+\}", "}", route.path)


HTTP = sorted(
    {
        (method, _path(route))
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
)
SOCKETS = sorted({_path(r) for router in ROUTERS for r in router.routes if isinstance(r, APIWebSocketRoute)})
PROTECTED = [one for one in HTTP if one not in PUBLIC]


class World:
    """An application in which Ada has one of everything, Eve has an account, and Root administers."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.ada, self.eve = api.user("ada@example.org"), api.user("eve@example.org")
        self.root = api.user("root@example.org", "admin")
        self.names = {"user_id": self.ada, "token": "forged", "name": "model.glb", "path": "model.glb"}
        api.services.files.write("results/x", [b"x"])
        api.services.files.write(thumbnail_name("c" * 64), [b"x"])
        with api.services.database.session() as session:
            for row in self._rows():
                session.add(row)
                session.flush()

    def _rows(self) -> Iterator[Any]:
        moment = now()
        image_set = ImageSetRow(id=new_id(), user_id=self.ada, name="set")
        yield image_set
        for position, sha256 in enumerate((SHA256, "b" * 64, "c" * 64)):
            yield BlobRow(sha256=sha256, bytes=1)
            name = f"{sha256[0]}.jpg"
            photo = PhotoRow(image_set_id=image_set.id, name=name, sha256=sha256, bytes=1, position=position)
            yield photo
        later = moment + datetime.timedelta(days=1)
        upload = UploadRow(
            id=new_id(), user_id=self.ada, image_set_id=image_set.id, kind="tus", name="b.jpg", size_bytes=9,
            expires_at=later,
        )  # fmt: skip
        yield upload
        job = JobRow(id=new_id(), user_id=self.ada, image_set_id=image_set.id, quality="low", state="failed")
        yield job
        for position, letter in enumerate("abc"):
            yield JobInputRow(job_id=job.id, position=position, name=f"{letter}.jpg", sha256=letter * 64)
        yield ResultRow(
            job_id=job.id, path="model.glb", media_type="model/gltf-binary", bytes=1, sha256=SHA256, key="results/x"
        )
        share = ShareRow(id=new_id(), job_id=job.id)
        yield share
        annotation = AnnotationRow(id=new_id(), job_id=job.id, title="t", x=0, y=0, z=0)
        yield annotation
        webhook = WebhookRow(id=new_id(), user_id=self.ada, url="https://example.org/hook", secret="whsec_eA==")
        yield webhook
        delivery = WebhookDeliveryRow(
            id=new_id(), webhook_id=webhook.id, user_id=self.ada, event_type="job.failed", url=webhook.url
        )
        yield delivery
        login = new_id()
        yield RefreshTokenRow(user_id=self.ada, family=login, token_hash="l" * 64, expires_at=later)
        key = ApiKeyRow(id=new_id(), user_id=self.ada, name="k", prefix="e2e_x", key_hash="h" * 64, scopes=["read"])
        yield key
        self.names |= {
            "image_set_id": image_set.id,
            "photo_id": photo.id,
            "upload_id": upload.id,
            "job_id": job.id,
            "webhook_id": webhook.id,
            "delivery_id": delivery.id,
            "key_id": key.id,
            "share_id": share.id,
            "annotation_id": annotation.id,
            "session_id": login,
        }

    def url(self, path: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda name: self.names[name[1]], path)

    def call(self, method: str, path: str, headers: dict[str, str]) -> Any:
        body = _body(method, path, self.names)
        all_headers = TUS | body.pop("headers", {}) | headers
        return self.api.client.request(method, self.url(path), headers=all_headers, **body)


def _body(method: str, path: str, names: dict[str, str]) -> dict[str, Any]:
    """A body that is valid, so that only the caller can be what is wrong."""
    known = {"photos": [{"name": "a.jpg", "sha256": SHA256}]}
    bodies: dict[tuple[str, str], Any] = {
        ("PATCH", "/v1/image-sets/{image_set_id}"): {"name": "mine"},
        ("POST", "/v1/image-sets/{image_set_id}/photos/remove"): {"ids": [names["photo_id"]]},
        ("POST", "/v1/image-sets/{image_set_id}/photos/known"): known,
        ("POST", "/v1/image-sets/{image_set_id}/imports"): {"source": "s3://bucket/photos"},
        ("POST", "/v1/image-sets/{image_set_id}/presigned-uploads"): {"name": "a.jpg", "size_bytes": 9},
        ("POST", "/v1/uploads/{upload_id}/parts"): {"numbers": [1]},
        ("POST", "/v1/uploads/{upload_id}/complete"): {"etags": ["x"]},
        ("POST", "/v1/forecasts"): {"image_set_id": names["image_set_id"]},
        ("POST", "/v1/jobs"): {"image_set_id": names["image_set_id"]},
        ("POST", "/v1/jobs/{job_id}/shares"): {"expires_in_days": 1},
        ("POST", "/v1/jobs/{job_id}/annotations"): {"title": "t", "position_world": [0, 0, 0]},
        ("PATCH", "/v1/annotations/{annotation_id}"): {"title": "mine"},
        ("POST", "/v1/jobs/{job_id}/rerun"): {"quality": "low"},
        ("POST", "/v1/jobs/{job_id}/result-links"): {"paths": ["model.glb"]},
        ("PATCH", "/v1/webhooks/{webhook_id}"): {"enabled": False},
        ("PATCH", "/v1/users/{user_id}"): {"name": "mine"},
    }
    if (method, path) == ("POST", "/v1/image-sets/{image_set_id}/photos"):
        return {"files": {"photos": ("a.jpg", b"x", "image/jpeg")}}
    if (method, path) == ("PATCH", "/v1/uploads/{upload_id}"):
        return {"content": b"x", "headers": {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}}
    if (method, path) == ("POST", "/v1/image-sets/{image_set_id}/uploads"):
        name = base64.b64encode(b"a.jpg").decode()
        return {"headers": {"Upload-Length": "9", "Upload-Metadata": f"filename {name}"}}
    if method in ("GET", "HEAD", "OPTIONS", "DELETE"):
        return {}
    return {"json": bodies.get((method, path), {})}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("world")
    with open_api(f"sqlite:///{home / 'x.sqlite'}", home, allowed_s3_prefixes=("s3://bucket/photos",)) as api:
        yield World(api)


def _bad_tokens(world: World) -> dict[str, dict[str, str]]:
    moment, hour = now(), datetime.timedelta(hours=1)
    signer = world.api.services.tokens
    login = new_id()
    good = world.api.headers(world.ada, login)["Authorization"].removeprefix("Bearer ")
    claims = {"iss": "e2e3d", "sub": world.ada, "sid": login, "iat": moment, "exp": moment + hour}
    head, payload, signature = good.split(".")
    other = base64.urlsafe_b64encode(
        json.dumps(
            {**json.loads(base64.urlsafe_b64decode(payload + "==")), "sub": world.root}
        ).encode()
    ).decode().rstrip("=")  # fmt: skip
    key = new_api_key()
    with world.api.services.database.session() as session:
        expired = tokens.add_api_key(
            session, world.ada, "old", key.prefix, key.hash, ("read", "write"), moment, moment - hour
        )
        assert expired.id
    tampered = f"{signature[:-4]}AAAA"
    return {
        "no token": {},
        "expired": bearer(signer.sign(world.ada, login, moment - 2 * hour)),
        "signed by another": bearer(jwt.encode(claims, "another key" * 4, "HS256")),
        "not signed": bearer(jwt.encode(claims, None, "none")),
        "changed": bearer(f"{head}.{other}.{signature}"),
        "another signature": bearer(f"{head}.{payload}.{tampered}"),
        "of a login that ended": bearer(signer.sign(world.ada, new_id(), moment)),
        "of nobody": bearer(signer.sign(new_id(), login, moment)),
        "unknown key": bearer("e2e_" + "x" * 43),
        "expired key": bearer(key.value),
        "nonsense": bearer("\x7f\x01"),
        "too long": bearer("x" * 5000),
        "basic": {"Authorization": "Basic " + base64.b64encode(b"ada@example.org:secret").decode()},
    }


def test_every_route_is_known() -> None:
    """A route is either protected, or somebody decided that it is public."""
    assert set(HTTP) >= PUBLIC
    assert len(PROTECTED) > 40
    assert {(method, path) for method, path in READING} <= set(PROTECTED)


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_bad_tokens_are_refused(world: World, method: str, path: str) -> None:
    for name, headers in _bad_tokens(world).items():
        answer = world.call(method, path, headers)
        assert answer.status_code == 401, (name, answer.status_code, answer.text)
        assert "WWW-Authenticate" in answer.headers
        if method != "HEAD":
            assert answer.headers["content-type"] == "application/problem+json"
        assert "access_token" not in answer.text


@pytest.mark.parametrize(("method", "path"), [one for one in PROTECTED if ADMINISTRATION.match(one[1])])
def test_administration_is_for_administrators(world: World, method: str, path: str) -> None:
    answer = world.call(method, path, world.api.headers(world.eve))
    assert (answer.status_code, answer.json()["code"]) == (403, "administrators-only")


def _has_owner(path: str) -> bool:
    return "{" in path and not ADMINISTRATION.match(path)


@pytest.mark.parametrize(
    ("method", "path"),
    [one for one in PROTECTED if _has_owner(one[1])] + [("POST", "/v1/jobs"), ("POST", "/v1/forecasts")],
)
def test_what_belongs_to_another_does_not_exist(world: World, method: str, path: str) -> None:
    """The owner's requests reach the resource; those of another, and of an administrator, do not."""
    for stranger in (world.eve, world.root):
        answer = world.call(method, path, world.api.headers(stranger))
        for_nobody = method == "POST" and answer.json()["code"] == "presigned-needs-s3"  # refused to owners too
        assert answer.status_code == 404 or for_nobody, answer.text
    if method == "GET" and not path.endswith("/events"):
        assert world.call(method, path, world.api.headers(world.ada)).status_code < 300


@pytest.mark.parametrize(
    ("method", "path"), [one for one in PROTECTED if one[0] not in ("GET", "HEAD") and one not in READING]
)
def test_a_key_that_may_read_may_not_write(world: World, method: str, path: str) -> None:
    key = new_api_key()
    with world.api.services.database.session() as session:
        tokens.add_api_key(session, world.ada, "reader", key.prefix, key.hash, ("read",), now(), None)
    answer = world.call(method, path, bearer(key.value))
    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("path", SOCKETS)
def test_sockets_refuse_bad_tokens_and_strangers(world: World, path: str) -> None:
    callers = _bad_tokens(world)
    if "{" in path:
        callers["a stranger"] = world.api.headers(world.eve)
    for name, headers in callers.items():
        assert _socket_is_closed(world.api.client, world.url(path), headers), name


def _socket_is_closed(client: TestClient, url: str, headers: dict[str, str]) -> bool:
    try:
        with client.websocket_connect(url, headers=headers) as socket:
            message = socket.receive_json()
            raise AssertionError(f"the socket answered {message}")
    except (WebSocketDisconnect, WebSocketDenialResponse):
        return True


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_forged_downloads_are_refused(world: World, method: str) -> None:
    assert world.call(method, "/v1/downloads/{token}/{name}", {}).status_code in (401, 403, 404)
