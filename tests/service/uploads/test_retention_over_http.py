"""What the collector took cannot be reached any more, and says so."""

import datetime

from e2e3d.service.image_sets.tables import BlobRow
from e2e3d.service.retention.retention import RetentionPolicy, collect
from tests.service.uploads.conftest import Desk, picture


def submit(desk: Desk) -> tuple[int, str]:
    body = {"image_set_id": desk.set_id, "quality": "preview"}
    answer = desk.call("POST", "/v1/jobs", json=body)
    return answer.status_code, answer.json().get("code", "")


def test_a_job_on_photographs_that_are_gone(embedded_desk: Desk) -> None:
    desk = embedded_desk
    desk.send(*((f"{seed}.jpg", picture(seed)) for seed in range(3)))
    with desk.api.services.database.session() as session:
        session.delete(session.query(BlobRow).first())
    assert submit(desk) == (422, "photographs-gone")


def test_a_queued_job_keeps_its_photographs(desk: Desk) -> None:
    services = desk.api.services
    desk.send(*((f"{seed}.jpg", picture(seed)) for seed in range(3)))
    assert submit(desk)[0] in (201, 202)
    desk.call("DELETE", f"/v1/image-sets/{desk.set_id}")
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)
    assert not collect(services.database, services.files, RetentionPolicy(), later)
    assert len(desk.stored()) == 3
