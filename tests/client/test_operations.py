"""Every operation of the service has a method in both clients and a command, and each calls what docs/api.md says."""

from __future__ import annotations

import base64
import functools
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner

from e2e3d.cli import app
from e2e3d.client import AsyncClient, Client
from e2e3d.client.tus import CHUNK_BYTES
from e2e3d.serve.app import create_app
from tests.client.conftest import write_photographs
from tests.command import ROOT, command, environment, wait_for
from tests.live import EMAIL, PASSWORD, LiveService
from tests.receiver import Receiver, receiving

_ROW = re.compile(r"^\| `([A-Z]+ /[^`]*)` \| [^|]* \| (?:`(\w+)`)? ?\| (?:`([\w -]+)`)? ?\|$", re.MULTILINE)
TABLE = {found[1]: (found[2], found[3]) for found in _ROW.finditer((ROOT / "docs" / "api.md").read_text())}
"""Operation: method and command, None where there is none."""

_BY_TUS = "the client sends by tus, which goes on at the byte where it broke"
_BROWSER = "for browsers, whose cookies keep the refresh token from scripts"
_NO_METHOD = {
    "POST /v1/image-sets/{image_set_id}/photos": _BY_TUS,
    "OPTIONS /v1/image-sets/{image_set_id}/uploads": "the client needs no feature of tus that is optional",
    "HEAD /v1/jobs/{job_id}/results/{path}": "the list of results says as much",
    "GET /v1/downloads/{token}/{name}": "for those who have no client: it is what links are for",
    "HEAD /v1/downloads/{token}/{name}": "for those who have no client: it is what links are for",
    "GET /v1/shared/{token}": "for those who have no client: it is what addresses are for",
    "GET /v1/shared/{token}/ar/model.glb": "for those who have no client: it is what addresses are for",
    "GET /v1/shared/{token}/picture": "for those who have no client: it is what addresses are for",
    "GET /v1/shared/{token}/results/{path}": "for those who have no client: it is what addresses are for",
    "GET /v1/auth/oidc": _BROWSER,
    "GET /v1/auth/oidc/begin": _BROWSER,
    "GET /v1/auth/oidc/callback": _BROWSER,
    "POST /v1/auth/session": _BROWSER,
    "POST /v1/auth/session/link": _BROWSER,
    "POST /v1/auth/session/refresh": _BROWSER,
    "DELETE /v1/auth/session": _BROWSER,
    "GET /livez": "for supervisors of processes",
    "GET /metrics": "for Prometheus",
}
_NO_COMMAND = _NO_METHOD | {
    "DELETE /v1/image-sets/{image_set_id}/photos/{photo_id}": "`sets remove` takes any number at once",
    "POST /v1/image-sets/{image_set_id}/presigned-uploads": _BY_TUS,
    "POST /v1/uploads/{upload_id}/parts": _BY_TUS,
    "POST /v1/uploads/{upload_id}/complete": _BY_TUS,
}


def commands(group: Any, before: str = "") -> Iterator[str]:
    """The names of all commands, such as ``keys list``."""
    context = typer.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if hasattr(found, "list_commands"):
            yield from commands(found, f"{before}{name} ")
        else:
            yield before + name


def test_every_operation_has_a_method_and_a_command(service: LiveService) -> None:
    paths = create_app(service.services).openapi()["paths"]
    there = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert there == set(TABLE), "docs/api.md lists every operation"
    assert {operation for operation in there if TABLE[operation][0] is None} == set(_NO_METHOD)
    assert {operation for operation in there if TABLE[operation][1] is None} == set(_NO_COMMAND)
    for kind in (Client, AsyncClient):
        assert [method for method, _ in TABLE.values() if method and not hasattr(kind, method)] == []
    known = set(commands(typer.main.get_command(app)))
    assert [name for _, name in TABLE.values() if name and name not in known] == []


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert methods(Client) == methods(AsyncClient)


@dataclass
class Things:
    """One of everything, with the names that commands are given."""

    image_set: str
    photo: str
    upload: str
    job: str
    failed: str
    running: str
    running_id: str
    login: str
    delivery: str
    webhook: str
    share: str
    annotation: str
    folder: Path


def make_things(service: LiveService, receiver: Receiver, folder: Path) -> Things:
    write_photographs(folder / "photographs", 4, seed=17)
    with Client(service.url) as client:
        client.sign_in(EMAIL, PASSWORD)
        client.create_api_key("third")
        images = client.create_image_set("things")
        client.upload(images.id, folder / "photographs")
        (photo, *_) = client.all_photos(images.id)
        metadata = f"filename {base64.b64encode(b'half.jpg').decode()}"
        begun = {"tus-resumable": "1.0.0", "upload-length": str(CHUNK_BYTES), "upload-metadata": metadata}
        where = f"{service.url}/v1/image-sets/{images.id}/uploads"
        half = httpx.post(where, headers=begun | client.session.authorization())  # nothing of it has arrived
        webhook = client.create_webhook(receiver.url(path="/things")).webhook
        job, failed, running = (client.submit(images.id, "preview", name=name) for name in ("j", "f", "r"))
        with Client(service.url) as other:
            other.sign_in(EMAIL, PASSWORD, keep=False)
            login = next(one.id for one in other.list_sessions() if one.current)
        fence = service.begin(job.id)
        service.result(fence, "model.glb", b"model")
        service.end(fence)
        client.cancel(failed.id)
        delivery = client.list_deliveries(1).items[0]
        share = client.share(job.id)
        note = client.annotate(job.id, "Gap", (0, 1, 2))
    upload = half.headers["location"].rsplit("/", 1)[-1]
    return Things(
        "things",
        photo.name,
        upload,
        "j",
        "f",
        "r",
        running.id,
        login,
        delivery.id,
        webhook.url,
        share.id,
        note.id,
        folder,
    )


def lines(things: Things) -> dict[str, tuple[str, ...]]:
    """Operation: the command line that carries it out, in an order that works."""
    given = vars(things)
    out = things.folder / "out"
    spelled = {
        "GET /readyz": "status",
        "GET /v1/me": "usage",
        "PATCH /v1/me": "account rename Ada",
        "GET /v1/me/sessions": "account sessions",
        "DELETE /v1/me/sessions/{session_id}": "account end-session {login}",
        "PUT /v1/me/password": "account password --password-stdin",
        "GET /v1/api-keys": "keys list",
        "POST /v1/api-keys": "keys create another",
        "DELETE /v1/api-keys/{key_id}": "keys revoke another",
        "GET /v1/users": "users list",
        "POST /v1/users": "users create eve@example.org",
        "GET /v1/users/{user_id}": "users show eve@example.org",
        "PATCH /v1/users/{user_id}": "users edit eve@example.org --name Eve",
        "GET /v1/users/{user_id}/api-keys": "users keys admin@localhost",
        "DELETE /v1/users/{user_id}/api-keys/{key_id}": "users revoke-key admin@localhost third",
        "DELETE /v1/users/{user_id}": "users delete eve@example.org",
        "POST /v1/users/{user_id}/restore": "users restore eve@example.org",
        "GET /v1/webhooks": "webhooks list",
        "POST /v1/webhooks": "webhooks create {webhook}-2",
        "GET /v1/webhooks/{webhook_id}": "webhooks show {webhook}-2",
        "PATCH /v1/webhooks/{webhook_id}": "webhooks edit {webhook}-2 --event job.failed",
        "POST /v1/webhooks/{webhook_id}/rotate-secret": "webhooks rotate {webhook}-2",
        "POST /v1/webhooks/{webhook_id}/ping": "webhooks ping {webhook}-2",
        "GET /v1/webhooks/{webhook_id}/deliveries": "webhooks deliveries {webhook}-2",
        "DELETE /v1/webhooks/{webhook_id}": "webhooks delete {webhook}-2",
        "GET /v1/webhook-deliveries": "webhooks deliveries",
        "GET /v1/webhook-deliveries/{delivery_id}": "webhooks delivery {delivery}",
        "POST /v1/webhook-deliveries/{delivery_id}/replay": "webhooks replay {delivery}",
        "GET /v1/webhook-secret": "webhooks secret",
        "GET /v1/audit": "admin audit",
        "GET /v1/admin/log-level": "admin log-level",
        "GET /v1/admin/overview": "admin overview",
        "GET /v1/admin/jobs": "admin jobs --state queued",
        "POST /v1/admin/jobs/{job_id}/cancel": "admin cancel {running_id}",
        "PUT /v1/admin/log-level": "admin log-level info",
        "POST /v1/image-sets": "sets create second",
        "GET /v1/image-sets": "sets list",
        "GET /v1/image-sets/{image_set_id}": "sets show second",
        "PATCH /v1/image-sets/{image_set_id}": "sets rename second third",
        "DELETE /v1/image-sets/{image_set_id}": "sets delete third",
        "GET /v1/image-sets/{image_set_id}/photos": "sets photos {image_set}",
        "GET /v1/image-sets/{image_set_id}/photos/{photo_id}": "sets photo {image_set} {photo}",
        "GET /v1/image-sets/{image_set_id}/photos/{photo_id}/thumbnail": (
            f"sets thumbnail {{image_set}} {{photo}} -o {things.folder / 'thumbnail.jpg'}"
        ),
        "GET /v1/image-sets/{image_set_id}/uploads": "uploads list {image_set}",
        "GET /v1/uploads/{upload_id}": "uploads show {upload}",
        "DELETE /v1/uploads/{upload_id}": "uploads discard {upload}",
        "POST /v1/image-sets/{image_set_id}/imports": "sets import {image_set} s3://not-allowed/x",
        "POST /v1/image-sets/{image_set_id}/photos/known": "upload {folder}/photographs --to {image_set}",
        "POST /v1/image-sets/{image_set_id}/uploads": "upload {folder}/more --to {image_set}",
        "PATCH /v1/uploads/{upload_id}": "upload {folder}/most --to {image_set}",
        "POST /v1/image-sets/{image_set_id}/photos/remove": "sets remove {image_set} {photo}",
        "POST /v1/forecasts": "forecast {image_set}",
        "POST /v1/jobs": "submit {image_set} --name new",
        "GET /v1/jobs": "list",
        "GET /v1/jobs/{job_id}": "show {job}",
        "GET /v1/jobs/{job_id}/log": "log {job}",
        "GET /v1/jobs/{job_id}/events": "watch {job}",
        "GET /v1/jobs/{job_id}/results": "results {job}",
        "POST /v1/jobs/{job_id}/result-links": "links {job} model.glb",
        "GET /v1/jobs/{job_id}/results/{path}": f"download {{job}} -o {out}",
        "GET /v1/jobs/{job_id}/archive": f"download {{job}} -o {out}.zip --archive",
        "POST /v1/jobs/{job_id}/shares": "shares create {job}",
        "GET /v1/jobs/{job_id}/shares": "shares list {job}",
        "DELETE /v1/shares/{share_id}": "shares withdraw {share}",
        "POST /v1/jobs/{job_id}/annotations": "annotations create {job} Crack --at 0 -1.5 2 --text wide",
        "GET /v1/jobs/{job_id}/annotations": "annotations list {job}",
        "PATCH /v1/annotations/{annotation_id}": "annotations edit {annotation} --title Gap",
        "DELETE /v1/annotations/{annotation_id}": "annotations remove {annotation}",
        "POST /v1/jobs/{job_id}/retry": "retry {failed}",
        "POST /v1/jobs/{job_id}/rerun-forecast": "rerun {job} --quality low --forecast",
        "POST /v1/jobs/{job_id}/rerun": "rerun {job} --quality low --name again",
        "POST /v1/jobs/{job_id}/cancel": "cancel {running}",
        "DELETE /v1/jobs/{job_id}": "delete {job}",
        "POST /v1/auth/logout": "logout",
        "POST /v1/auth/login": f"login --email {EMAIL} --password-stdin",
    }
    return {operation: tuple(word.format(**given) for word in line.split()) for operation, line in spelled.items()}


_ELSEWHERE = {
    "POST /v1/auth/refresh": "renewed when it has ended: tests/client/test_exchange.py",
    "HEAD /v1/uploads/{upload_id}": "when an upload goes on: tests/client/test_clients.py",
    "GET /v1/events": "it does not end: test_events_are_followed_until_it_is_interrupted",
}


@pytest.mark.slow
def test_each_command_calls_its_operation_by_its_method(
    service: LiveService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    for name in vars(Client):
        if not name.startswith("_"):
            monkeypatch.setattr(Client, name, _noted(name, getattr(Client, name), called))
    with receiving() as receiver:
        things = make_things(service, receiver, tmp_path)
        for folder, seed in (("more", 18), ("most", 19)):
            write_photographs(tmp_path / folder, 1, seed)
            (tmp_path / folder / "IMG_0.jpg").rename(tmp_path / folder / f"{folder}.jpg")
        monkeypatch.setenv("E2E3D_URL", service.url)
        asked = lines(things)
        assert set(asked) | set(_ELSEWHERE) | set(_NO_COMMAND) == set(TABLE)
        for operation, line in asked.items():
            method, name = TABLE[operation]
            assert " ".join(line).startswith(f"{name} ") or " ".join(line) == name, operation
            service.requests.clear()
            called.clear()
            done = CliRunner().invoke(app, [*line], input=f"{PASSWORD}\n{PASSWORD}\n")
            assert done.exit_code == (2 if "import" in line else 0), (line, done.output)
            asked_for = tuple(operation.split(" "))
            wait_for(lambda asked_for=asked_for: asked_for in service.requests, 10)  # noted after it is answered
            assert method in called, line
    with Client(service.url, service.key) as client:
        for job in client.all_jobs("queued"):  # other tests play the runner, and take what comes next
            client.cancel(job.id)


def _noted(name: str, method: Any, called: list[str]) -> Any:
    @functools.wraps(method)
    def noting(self: Client, *args: Any, **kwargs: Any) -> Any:
        called.append(name)
        return method(self, *args, **kwargs)

    return noting


def _heeds_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # tests that run in the background hand on that they do not


@pytest.mark.slow
def test_events_are_followed_until_it_is_interrupted(service: LiveService, photographs: Path) -> None:
    given = environment(E2E3D_URL=service.url, E2E3D_API_KEY=service.key)
    service.requests.clear()
    with (
        Client(service.url, service.key) as client,
        subprocess.Popen(
            command("events"), env=given, stdout=subprocess.PIPE, text=True, preexec_fn=_heeds_interrupts
        ) as watching,
    ):
        assert watching.stdout is not None
        images = client.create_image_set("events")
        client.upload(images.id, photographs)
        wait_for(lambda: service.services.followers.count(client.me().id) == 1, 30)
        job = client.submit(images.id, "preview", name="followed")
        assert watching.stdout.readline() == f"{job.id}  queued  followed\n"
        client.cancel(job.id)
        assert watching.stdout.readline() == f"{job.id}  cancelled  followed\n"
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 130
    wait_for(lambda: ("GET", "/v1/events") in service.requests, 30)
