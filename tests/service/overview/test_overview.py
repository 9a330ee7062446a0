from __future__ import annotations

from e2e3d.service.image_sets.tables import BlobRow
from e2e3d.service.jobs.tables import JobRow
from tests.service.api import Api


def test_administrators_see_and_cancel_the_jobs_of_all(embedded_api: Api) -> None:
    api = embedded_api
    ada, eve, root = (api.user(f"{name}@example.org", role) for name, role in WHO)
    with api.services.database.session() as session:
        mine = JobRow(user_id=ada, quality="low", state="queued", name="of Ada")
        session.add(mine)
        session.add(JobRow(user_id=eve, quality="low", state="failed", name="of Eve"))
        session.flush()
        job_id = mine.id
    headers = api.headers(root)
    listed = api.client.get("/v1/admin/jobs", headers=headers).json()["items"]
    assert {(each["email"], each["job"]["name"]) for each in listed} == {
        ("ada@example.org", "of Ada"),
        ("eve@example.org", "of Eve"),
    }
    for query, names in (("state=failed", ["of Eve"]), (f"user_id={ada}", ["of Ada"])):
        found = api.client.get(f"/v1/admin/jobs?{query}", headers=headers).json()["items"]
        assert [each["job"]["name"] for each in found] == names
    first = api.client.get("/v1/admin/jobs?limit=1", headers=headers).json()
    rest = api.client.get(f"/v1/admin/jobs?limit=1&cursor={first['next_cursor']}", headers=headers).json()
    assert len({each["job"]["id"] for each in first["items"] + rest["items"]}) == 2
    assert rest["next_cursor"] is None

    assert api.client.post(f"/v1/admin/jobs/{job_id}/cancel", headers=headers).json()["state"] == "cancelled"
    assert api.client.get(f"/v1/jobs/{job_id}", headers=api.headers(ada)).json()["state"] == "cancelled"
    (entry,) = api.client.get("/v1/audit?action=job.cancel", headers=headers).json()["items"]
    assert (entry["user_id"], entry["resource_id"], entry["detail"]) == (root, job_id, {"user_id": ada})
    assert api.client.post(f"/v1/admin/jobs/{eve}/cancel", headers=headers).status_code == 404


def test_the_overview_adds_up(embedded_api: Api) -> None:
    api = embedded_api
    ada, _, root = (api.user(f"{name}@example.org", role) for name, role in WHO)
    with api.services.database.session() as session:
        session.add(BlobRow(sha256="a" * 64, bytes=700))
        session.add(JobRow(user_id=ada, quality="low", state="queued"))
    found = api.client.get("/v1/admin/overview", headers=api.headers(root)).json()
    assert found["jobs"] == {"queued": 1, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 0}
    assert (found["photograph_bytes"], found["users"], found["backups"]) == (700, 3, {})
    assert {each["email"]: each["unfinished_jobs"] for each in found["most"]}["ada@example.org"] == 1


WHO = (("ada", "user"), ("eve", "user"), ("root", "admin"))
