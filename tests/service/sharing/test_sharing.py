"""Shared models: seen by whoever has the address, until it expires, is withdrawn, or its job is deleted."""

from __future__ import annotations

import base64
import datetime
import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import update

from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.database.table_base import new_id, now
from e2e3d.service.http.redaction import without_signatures
from e2e3d.service.jobs.tables import JobRow
from e2e3d.service.results.tables import ResultRow
from e2e3d.service.sharing import routes
from e2e3d.service.sharing.previews import preview_of
from e2e3d.service.sharing.tables import ShareRow
from tests.service.api import Api

MODEL = b"glTF model"
CAMERAS = {
    "frame": "upright",
    "cameras": [],
    "origin": {"latitude_deg": 52.5},
    "images": [
        {
            "name": f"private-{index}.jpg",
            "cam_from_world": [[1.0, 0, 0, 9], [0, 1, 0, 9], [0, 0, 1, 9]],
            "center_world": [0, 0, index],
        }
        for index in range(100)
    ],
}
FRONT = "The textured model: front"
HEADER = "X-E2E3D-Share-Password"


class Owner:
    """A user with a job that has made files."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.id = api.user(f"{new_id()}@example.org")
        self.headers = api.headers(self.id)
        self.job_id = new_id()
        files = {"model.glb": MODEL, "cameras.json": json.dumps(CAMERAS).encode(), "report.html": b"private"}
        files |= {"tiles/tileset.json": b"{}", "tiles/tree/r0.glb": b"a tile", "tiles/georeferenced.json": b"a place"}
        with api.services.database.session() as session:
            session.add(JobRow(id=self.job_id, user_id=self.id, quality="low", state="succeeded", name="<b>Statue</b>"))
            session.flush()
            for path, data in files.items():
                key = f"results/{self.job_id}/{path}"
                api.services.files.put(key, data)
                session.add(
                    ResultRow(
                        job_id=self.job_id, path=path, media_type="x/y", bytes=len(data), sha256="a" * 64, key=key
                    )
                )

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self.api.client.request(method, path, headers=self.headers, **arguments)

    def share(self, **body: Any) -> dict[str, Any]:
        made = self.call("POST", f"/v1/jobs/{self.job_id}/shares", json=body)
        assert made.status_code == 201, made.text
        return dict(made.json())


@pytest.fixture
def owner(api: Api) -> Owner:
    return Owner(api)


@pytest.fixture
def embedded_owner(embedded_api: Api) -> Owner:
    return Owner(embedded_api)


def address(share: dict[str, Any]) -> str:
    """What the page asks for the model that an address shows."""
    return f"/v1/shared/{share['url'].rsplit('/shared/', 1)[1]}"


def seen(owner: Owner, share: dict[str, Any], **headers: str) -> tuple[int, str]:
    """How a visitor is answered: status, and code of the problem."""
    answer = owner.api.client.get(address(share), headers=headers)
    return answer.status_code, answer.json().get("code", "")


def test_visitors_see_the_model_and_nothing_of_photographs_or_owner(owner: Owner) -> None:
    share = owner.share()
    assert share["url"].startswith(f"{owner.api.services.settings.url}/shared/")
    answer = owner.api.client.get(address(share))
    assert answer.status_code == 200, answer.text
    model = answer.json()
    assert (model["name"], model["frame"], [one["path"] for one in model["results"]]) == (
        "<b>Statue</b>", "upright", ["model.glb", "tiles/tileset.json"],
    )  # fmt: skip
    assert len(model["viewpoints"]) == 50
    assert model["viewpoints"][1] == {"cam_from_world": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "center_world": [0, 0, 2]}
    for secret in ("private", "latitude", owner.id, owner.job_id):
        assert secret not in answer.text
    place = f"{address(share)}/results"
    assert owner.api.client.get(f"{place}/model.glb").content == MODEL
    part = owner.api.client.get(f"{place}/model.glb", headers={"Range": "bytes=5-"})
    assert (part.status_code, part.content) == (206, b"model")
    assert owner.api.client.get(f"{place}/tiles/tree/r0.glb").content == b"a tile"
    for path in ("cameras.json", "report.html", "dense.ply", "../model.glb", "tiles/georeferenced.json"):
        assert owner.api.client.get(f"{place}/{quote(path, safe='')}").status_code == 404


def test_the_view_says_what_other_sites_show_of_it(embedded_owner: Owner) -> None:
    owner, client = embedded_owner, embedded_owner.api.client
    open_share, locked = owner.share(), owner.share(password="secret")
    for share in (open_share, locked):
        assert client.get(f"{address(share)}/picture").status_code == (401 if share is locked else 404)
    picture = b"\xff\xd8 a picture of the model"
    report = f'<img src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}" width="720" alt="{FRONT}">'
    owner.api.services.files.put(f"results/{owner.job_id}/report.html", report.encode())
    with owner.api.services.database.session() as session:
        session.execute(update(ResultRow).where(ResultRow.path == "report.html").values(bytes=len(report)))
    answer = client.get(f"{address(open_share)}/picture")
    assert (answer.content, answer.headers["content-type"]) == (picture, "image/jpeg")
    assert client.get(f"{address(locked)}/picture", headers={HEADER: "secret"}).content == picture

    preview = preview_of(owner.api.services, open_share["url"].rsplit("/", 1)[1])
    assert preview is not None
    assert '<meta property="og:title" content="&lt;b&gt;Statue&lt;/b&gt;">' in preview.tags()
    assert (
        f'<meta property="og:image" content="{preview.url.replace("/shared/", "/v1/shared/")}/picture">'
        in preview.tags()
    )
    assert preview_of(owner.api.services, locked["url"].rsplit("/", 1)[1]) is None
    assert preview_of(owner.api.services, "x.y") is None


def test_an_address_is_listed_and_withdrawn(owner: Owner) -> None:
    first, second = owner.share(), owner.share(expires_in_days=2)
    found = owner.call("GET", f"/v1/jobs/{owner.job_id}/shares", params={"limit": 1}).json()
    rest = owner.call("GET", f"/v1/jobs/{owner.job_id}/shares", params={"cursor": found["next_cursor"]}).json()
    assert found["items"] + rest["items"] == [second, first]
    stranger = Owner(owner.api)
    assert stranger.call("DELETE", f"/v1/shares/{first['id']}").status_code == 404
    assert stranger.call("GET", f"/v1/jobs/{owner.job_id}/shares").status_code == 404
    assert seen(owner, first) == (200, "")
    assert owner.call("DELETE", f"/v1/shares/{first['id']}").status_code == 204
    assert seen(owner, first) == (404, "share-missing")
    assert owner.api.client.get(f"{address(first)}/results/model.glb").status_code == 404
    assert seen(owner, second) == (200, "")
    assert owner.call("DELETE", f"/v1/shares/{first['id']}").status_code == 404


@pytest.mark.parametrize("end", ["expired", "job deleted", "user disabled", "user deleted"])
def test_an_address_ends_with_its_time_its_job_and_its_user(embedded_owner: Owner, end: str) -> None:
    owner = embedded_owner
    share = owner.share(expires_in_days=1)
    assert seen(owner, share) == (200, "")
    with owner.api.services.database.session() as session:
        user = session.get_one(UserRow, owner.id)
        if end == "expired":
            session.get_one(ShareRow, share["id"]).expires_at = now() - datetime.timedelta(seconds=1)
        elif end == "job deleted":
            session.get_one(JobRow, owner.job_id).deleted_at = now()
        elif end == "user disabled":
            user.disabled = True
        else:
            user.deleted_at = now()
    assert seen(owner, share) == (404, "share-missing")
    assert owner.api.client.get(f"{address(share)}/results/model.glb").status_code == 404


def test_forged_addresses_show_nothing(embedded_owner: Owner) -> None:
    share = embedded_owner.share()
    genuine = address(share)
    for wrong in (
        genuine[:-1],
        f"{genuine}A",
        genuine.replace(share["id"], new_id()),
        "/v1/shared/x",
        "/v1/shared/%FF.",
    ):
        assert embedded_owner.api.client.get(wrong).status_code == 404, wrong


def test_a_password_is_asked_for_and_guesses_are_slowed_down(embedded_owner: Owner) -> None:
    owner = embedded_owner
    password = "größe %41 ключ"
    share = owner.share(password=password)
    assert share["has_password"]
    assert "größe" not in json.dumps(share)
    right = quote(password, safe="")
    assert seen(owner, share) == (401, "share-password")
    assert seen(owner, share, **{HEADER: "wrong"}) == (401, "share-password")
    assert seen(owner, share, **{HEADER: right}) == (200, "")
    place = f"{address(share)}/results/model.glb"
    assert owner.api.client.get(place).status_code == 401
    assert owner.api.client.get(place, headers={HEADER: right}).content == MODEL
    answers = [seen(owner, share, **{HEADER: f"guess {number}"})[0] for number in range(30)]
    assert answers[-1] == 429


@pytest.mark.parametrize("body", [{"expires_in_days": 0}, {"expires_in_days": 1e9}, {"password": ""}, {"more": 1}])
def test_what_cannot_be_asked_for(embedded_owner: Owner, body: dict[str, Any]) -> None:
    answer = embedded_owner.call("POST", f"/v1/jobs/{embedded_owner.job_id}/shares", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


def test_a_job_has_only_so_many_addresses(embedded_owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_MOST", 2)
    embedded_owner.share()
    embedded_owner.share()
    answer = embedded_owner.call("POST", f"/v1/jobs/{embedded_owner.job_id}/shares", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "too-many-shares")


def test_logs_do_not_keep_addresses() -> None:
    assert without_signatures("/v1/shared/abc.def/results/model.glb") == "/v1/shared/…/results/model.glb"
    assert without_signatures("/shared/abc.def") == "/shared/…"
