"""Annotations: made, changed and removed by the owner, seen by visitors of a shared model, and by nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from e2e3d.service.annotations import routes
from tests.service.api import Api
from tests.service.sharing.test_sharing import Owner, address

HOSTILE = "<img src=x onerror=alert(1)>\u202egpj."


@pytest.fixture
def owner(api: Api) -> Owner:
    return Owner(api)


@pytest.fixture
def embedded_owner(embedded_api: Api) -> Owner:
    return Owner(embedded_api)


def annotate(owner: Owner, **changes: Any) -> dict[str, Any]:
    body = {"title": "Crack", "text": "as wide\nas a hand", "position_world": [1.5, -2, 1e-9]} | changes
    made = owner.call("POST", f"/v1/jobs/{owner.job_id}/annotations", json=body)
    assert made.status_code == 201, made.text
    return dict(made.json())


def listed(owner: Owner, **params: Any) -> dict[str, Any]:
    return dict(owner.call("GET", f"/v1/jobs/{owner.job_id}/annotations", params=params).json())


def test_annotations_are_listed_in_pages_changed_and_removed(owner: Owner) -> None:
    first, second = annotate(owner), annotate(owner, title=HOSTILE, text="")
    assert (first["title"], first["text"], first["position_world"]) == ("Crack", "as wide\nas a hand", [1.5, -2, 1e-9])
    assert second["title"] == HOSTILE
    page = listed(owner, limit=1)
    assert page["items"] + listed(owner, cursor=page["next_cursor"])["items"] == [first, second]
    where = f"/v1/annotations/{first['id']}"
    assert owner.call("PATCH", where, json={"text": ""}).json() == first | {"text": ""}
    moved = owner.call("PATCH", where, json={"title": "Gap", "position_world": [0, 0, 7]}).json()
    assert moved == first | {"title": "Gap", "text": "", "position_world": [0, 0, 7]}
    assert owner.call("PATCH", where, json={}).json() == moved
    assert owner.call("DELETE", where).status_code == 204
    assert listed(owner)["items"] == [second]
    for method in ("PATCH", "DELETE"):
        gone = owner.call(method, where, **({"json": {"title": "x"}} if method == "PATCH" else {}))
        assert (gone.status_code, gone.json()["code"]) == (404, "annotation-missing")


def test_others_neither_see_nor_change_them(owner: Owner) -> None:
    made, stranger = annotate(owner), Owner(owner.api)
    where, of_job = f"/v1/annotations/{made['id']}", f"/v1/jobs/{owner.job_id}/annotations"
    assert stranger.call("PATCH", where, json={"title": "mine"}).status_code == 404
    assert stranger.call("DELETE", where).status_code == 404
    assert stranger.call("GET", of_job).status_code == 404
    body = {"title": "mine", "position_world": [0, 0, 0]}
    assert stranger.call("POST", of_job, json=body).status_code == 404
    assert listed(owner)["items"] == [made]


def test_visitors_of_a_shared_model_read_them(embedded_owner: Owner) -> None:
    made = annotate(embedded_owner)
    share = embedded_owner.share()
    model = embedded_owner.api.client.get(address(share)).json()
    assert model["annotations"] == [{name: made[name] for name in ("title", "text", "position_world")}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": ""},
        {"title": "x" * 201},
        {"title": "a\0b"},
        {"text": "x" * 4001},
        {"position_world": [0, 0]},
        {"position_world": [0, 0, 0, 0]},
        {"position_world": [0, 0, "NaN"]},
        {"position_world": [0, 0, "inf"]},
        {"author": "me"},
    ],
)
def test_what_cannot_be_annotated(embedded_owner: Owner, wrong: dict[str, Any]) -> None:
    body = {"title": "Crack", "position_world": [0, 0, 0]} | wrong
    answer = embedded_owner.call("POST", f"/v1/jobs/{embedded_owner.job_id}/annotations", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


def test_a_model_has_only_so_many(embedded_owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "MOST", 1)
    annotate(embedded_owner)
    body = {"title": "Crack", "position_world": [0, 0, 0]}
    answer = embedded_owner.call("POST", f"/v1/jobs/{embedded_owner.job_id}/annotations", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "too-many-annotations")
