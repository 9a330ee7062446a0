import pytest

from tests.service.uploads.conftest import Desk, new_desk, picture


def test_image_sets_are_made_listed_renamed_and_deleted(desk: Desk) -> None:
    ids = [desk.call("POST", "/v1/image-sets", json={"name": f"set {number}"}).json()["id"] for number in range(4)]
    first = desk.call("GET", "/v1/image-sets", params={"limit": 3}).json()
    rest = desk.call("GET", "/v1/image-sets", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [each["id"] for each in first["items"] + rest["items"]] == [*reversed(ids), desk.set_id]
    assert rest["next_cursor"] is None
    renamed = desk.call("PATCH", f"/v1/image-sets/{ids[0]}", json={"name": "fountain"})
    assert renamed.json()["name"] == "fountain"
    assert desk.call("DELETE", f"/v1/image-sets/{ids[0]}").status_code == 204
    for method in ("GET", "DELETE"):
        gone = desk.call(method, f"/v1/image-sets/{ids[0]}")
        assert (gone.status_code, gone.json()["code"]) == (404, "image-set-missing")


def test_image_sets_are_looked_for_by_a_part_of_their_name(desk: Desk) -> None:
    names = ("Nave 100%", "nave", "ÜBERSICHT", "x_y", "xzy")
    made = {name: desk.call("POST", "/v1/image-sets", json={"name": name}).json()["id"] for name in names}

    def found(text: str) -> list[str]:
        return [one["id"] for one in desk.call("GET", "/v1/image-sets", params={"text": text}).json()["items"]]

    assert found("NAVE") == [made["nave"], made["Nave 100%"]]
    assert found("0%") == [made["Nave 100%"]]
    assert found("x_y") == [made["x_y"]]  # it is no pattern
    assert found("ÜBERSICHT") == [made["ÜBERSICHT"]]  # in its own case whatever the database knows of cases
    assert found("nowhere") == []


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x" * 201}, {"name": "a\0b"}, {"name": "a", "more": 1}])
def test_names_that_are_none(embedded_desk: Desk, body: dict[str, object]) -> None:
    answer = embedded_desk.call("POST", "/v1/image-sets", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


def test_photographs_are_listed_in_pages_as_they_came(desk: Desk) -> None:
    names = [f"{number}.jpg" for number in (3, 1, 2, 5, 4)]
    desk.send(*((name, picture(seed)) for seed, name in enumerate(names)))
    found, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = desk.call("GET", f"/v1/image-sets/{desk.set_id}/photos", params=params).json()
        found += [photo["name"] for photo in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == names
    for wrong in ("p-1", "nonsense", "é", "cDE5OTk5OTk5OTk5OTk5"):
        answer = desk.call("GET", f"/v1/image-sets/{desk.set_id}/photos", params={"cursor": wrong})
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor")


def test_photographs_are_removed(desk: Desk) -> None:
    sent = desk.send(*((f"{seed}.jpg", picture(seed)) for seed in range(4))).json()["items"]
    ids = [item["photo"]["id"] for item in sent]
    place = f"/v1/image-sets/{desk.set_id}/photos"
    assert desk.call("GET", f"{place}/{ids[0]}").json()["name"] == "0.jpg"
    assert desk.call("DELETE", f"{place}/{ids[0]}").status_code == 204
    assert desk.call("DELETE", f"{place}/{ids[0]}").status_code == 404
    assert desk.call("POST", f"{place}/remove", json={"ids": [ids[0], ids[1], ids[2]]}).json() == {"removed": 2}
    assert set(desk.photos()) == {"3.jpg"}
    image_set = desk.call("GET", f"/v1/image-sets/{desk.set_id}").json()
    assert (image_set["photo_count"], image_set["bytes"]) == (1, len(picture(3)))


def test_photographs_of_other_sets_need_not_be_sent(desk: Desk) -> None:
    known = desk.send(("a.jpg", picture(1))).json()["items"][0]["photo"]["sha256"]
    asked = [{"name": "b.jpg", "sha256": known}, {"name": "c.jpg", "sha256": "0" * 64}]
    other = Desk(desk.api, desk.user_id, desk.headers)
    answer = other.call("POST", f"/v1/image-sets/{other.set_id}/photos/known", json={"photos": asked}).json()
    assert [item["outcome"] for item in answer["items"]] == ["added"]
    assert answer["missing"] == [asked[1]]
    assert set(other.photos()) == {"b.jpg"}
    stranger = new_desk(desk.api)
    answer = stranger.call("POST", f"/v1/image-sets/{stranger.set_id}/photos/known", json={"photos": asked}).json()
    assert answer == {"items": [], "missing": asked}


def test_nobody_reaches_what_belongs_to_another(desk: Desk) -> None:
    photo = desk.send(("a.jpg", picture(1))).json()["items"][0]["photo"]
    upload = desk.call(
        "POST",
        f"/v1/image-sets/{desk.set_id}/uploads",
        headers={"Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Metadata": "filename YS5qcGc="},
    ).headers["location"]
    stranger = new_desk(desk.api)
    own = f"/v1/image-sets/{desk.set_id}"
    tus = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    form = {"files": [("file", ("b.jpg", picture(2)))]}
    calls = [
        ("GET", own, {}),
        ("PATCH", own, {"json": {"name": "mine"}}),
        ("DELETE", own, {}),
        ("GET", f"{own}/photos", {}),
        ("POST", f"{own}/photos", form),
        ("GET", f"{own}/photos/{photo['id']}", {}),
        ("DELETE", f"{own}/photos/{photo['id']}", {}),
        ("POST", f"{own}/photos/remove", {"json": {"ids": [photo["id"]]}}),
        ("POST", f"{own}/photos/known", {"json": {"photos": [{"name": "a", "sha256": photo["sha256"]}]}}),
        ("GET", f"{own}/uploads", {}),
        ("POST", f"{own}/uploads", {"headers": tus | {"Upload-Length": "1", "Upload-Metadata": "filename YQ=="}}),
        ("GET", upload, {}),
        ("HEAD", upload, {"headers": tus}),
        ("PATCH", upload, {"headers": tus, "content": b"1234567890"}),
        ("DELETE", upload, {"headers": tus}),
        ("POST", f"{upload}/parts", {"json": {"numbers": [1]}}),
        ("POST", f"{upload}/complete", {"json": {"etags": ["x"]}}),
    ]
    for method, path, arguments in calls:
        answer = stranger.call(method, path, **arguments)
        allowed = {404, 409} if path.endswith(("parts", "complete")) else {404}
        assert answer.status_code in allowed, (method, path, answer.text)
        nobody = desk.api.client.request(method, path, **arguments)
        assert nobody.status_code == 401, (method, path, nobody.text)
    assert set(desk.photos()) == {"a.jpg"}
