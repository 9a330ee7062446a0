"""What both clients do against a real service; the network between them breaks where a test says so."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from e2e3d.client import (
    AuthenticationError,
    Client,
    ConflictError,
    DamagedDownloadError,
    InvalidRequestError,
    JobEndedError,
    NotFoundError,
    UnreachableError,
)
from e2e3d.client.progress import TransferProgress
from e2e3d.errors import InputError, ReconstructionError
from e2e3d.service.jobs.lifecycle import JobTransition
from e2e3d.service.uploads import queries as uploads
from tests.client.breaking import breaking_proxy
from tests.client.conftest import seed_of, write_photographs
from tests.command import wait_for
from tests.live import EMAIL, PASSWORD, LiveService, live_service
from tests.receiver import receiving

pytestmark = pytest.mark.slow


def total_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def half_uploaded(client: Any, service: LiveService, folder: Path) -> Any:
    """An image set into which half of the only photograph was sent by a client that then went away."""

    class GoneAwayError(Exception): ...

    def give_up(progress: TransferProgress) -> None:
        if progress.bytes_sent > progress.bytes_total / 2:
            raise GoneAwayError

    image_set = client.create_image_set("given up")
    with pytest.raises(GoneAwayError):
        client.upload(image_set.id, folder, progress=give_up)

    def arrived() -> int:
        with service.services.database.reading() as session:
            return sum(upload.offset_bytes for upload in uploads.listed(session, user_id, image_set.id, 10))

    user_id = _user_id(service)
    wait_for(lambda: arrived() >= 0.45 * total_bytes(folder))
    return image_set


def submitted(client: Any, photographs: Path, **changes: Any) -> Any:
    image_set = client.create_image_set("tests")
    client.upload(image_set.id, photographs)
    return client.submit(image_set.id, "preview", **changes)


def test_photographs_go_up_and_the_service_says_what_it_thinks_of_them(client: Any, photographs: Path) -> None:
    (photographs / "broken.jpg").write_bytes(b"\xff\xd8\xff not a photograph")
    (photographs / "notes.txt").write_text("not sent")
    (photographs / ".hidden.jpg").write_bytes(b"not sent")
    image_set = client.create_image_set("first")
    seen: list[TransferProgress] = []
    report = client.upload(image_set.id, photographs, progress=seen.append)
    assert (report.added, report.rejected, report.known) == (4, 1, 0)
    assert report.image_set.photo_count == 4
    assert [remark.name for remark in report.remarks if any(found.fatal for found in remark.findings)] == ["broken.jpg"]
    assert report.bytes_sent == seen[-1].bytes_total == sum((photographs / p.name).stat().st_size for p in _sent(seen))
    assert (seen[-1].files_done, seen[-1].bytes_done) == (5, seen[-1].bytes_total)
    names = {photo.name: photo.sha256 for photo in client.all_photos(image_set.id) if photo.state != "rejected"}
    assert names == {f"IMG_{n}.jpg": _sha256(photographs / f"IMG_{n}.jpg") for n in range(4)}


def test_what_the_service_has_is_not_sent_again_not_even_into_another_set(client: Any, photographs: Path) -> None:
    first, second = client.create_image_set("one"), client.create_image_set("two")
    client.upload(first.id, photographs)
    for image_set in (first, second):
        report = client.upload(image_set.id, [photographs / "IMG_0.jpg", photographs])
        assert report.bytes_sent == 0
        assert report.image_set.photo_count == 4


def test_an_archive_is_taken_apart_by_the_service(client: Any, photographs: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in photographs.iterdir():
            archive.write(path, f"day1/{path.name}")
    report = client.upload(client.create_image_set("zip").id, tmp_path / "all.zip")
    assert (report.added, report.image_set.photo_count) == (4, 4)


def test_an_upload_goes_on_at_the_byte_where_the_connection_broke(
    make_client: Any, service: LiveService, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "large"
    write_photographs(folder, 1, seed_of(request), width_px=2400)
    size = total_bytes(folder)
    assert size > 3_000_000
    with breaking_proxy(service.url) as proxy:
        client = make_client(proxy.url, service.key)
        image_set = client.create_image_set("broken")
        proxy.cut_after, proxy.cuts = 1_000_000, 3
        report = client.upload(image_set.id, folder)
        assert proxy.cuts == 0
        assert report.added == 1
        assert proxy.passed < 1.2 * size  # three attempts from the start would be at least 1.9 times as much
    (photo,) = make_client(service.url, service.key).list_photos(image_set.id).items
    assert photo.sha256 == _sha256(folder / "IMG_0.jpg")


def test_another_process_goes_on_with_an_upload_that_was_given_up(
    make_client: Any, service: LiveService, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "large"
    write_photographs(folder, 1, seed_of(request), width_px=2400)
    size = total_bytes(folder)
    image_set = half_uploaded(make_client(service.url, service.key), service, folder)
    report = make_client(service.url, service.key).upload(image_set.id, folder)
    assert report.added == 1
    assert report.bytes_sent < 0.7 * size


def test_a_file_that_was_changed_in_between_is_sent_from_its_start(
    make_client: Any, service: LiveService, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "large"
    write_photographs(folder, 1, seed_of(request), width_px=2400)
    path = folder / "IMG_0.jpg"
    image_set = half_uploaded(make_client(service.url, service.key), service, folder)
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1  # the same name, the same size, other bytes
    path.write_bytes(content)
    client = make_client(service.url, service.key)
    assert client.upload(image_set.id, folder).bytes_sent == len(content)
    (photo,) = client.list_photos(image_set.id).items
    assert photo.sha256 == _sha256(path)


def test_a_lost_answer_to_a_submission_does_not_make_a_second_job(
    make_client: Any, service: LiveService, photographs: Path
) -> None:
    direct = make_client(service.url, service.key)
    image_set = direct.create_image_set("once")
    direct.upload(image_set.id, photographs)
    with breaking_proxy(service.url) as proxy:
        client = make_client(proxy.url, service.key)
        proxy.upwards, proxy.cut_after, proxy.cuts = False, 1, 2
        job = client.submit(image_set.id, "preview")
        assert proxy.cuts == 0
    assert [one.id for one in direct.all_jobs() if one.image_set_id == image_set.id] == [job.id]
    direct.cancel(job.id)


def test_a_job_is_followed_over_broken_connections_without_gap_or_repetition(
    make_client: Any, service: LiveService, photographs: Path
) -> None:
    job = submitted(make_client(service.url, service.key), photographs)
    user_id = make_client(service.url, service.key).me().id
    with breaking_proxy(service.url) as proxy:
        client = make_client(proxy.url, service.key)
        proxy.upwards, proxy.cut_after, proxy.cuts = False, 700, 3

        def work() -> None:
            fence = service.begin(job.id)
            for done in range(1, 6):
                service.progress(fence, "depth", done, 5, done / 5, user_id)
            service.end(fence)

        worker = threading.Thread(target=work)
        worker.start()
        events = list(client.watch(job.id))
        worker.join()
        assert proxy.cuts < 3
    ids = [event.id for event in events if event.id is not None]
    assert ids == sorted(set(ids))
    types = [event.type for event in events]
    assert types[0] == "job.queued"
    assert types[-1] == "job.succeeded"
    assert types.count("job.succeeded") == 1


def test_waiting_ends_with_the_job_or_with_the_reason_why_there_is_no_model(
    client: Any, service: LiveService, photographs: Path
) -> None:
    good = submitted(client, photographs, name="good")
    fence = service.begin(good.id)
    service.end(fence)
    assert client.wait(good.id).state == "succeeded"
    bad = client.rerun(good.id, settings={"depth.max_size_px": 320}, name="bad")
    fence = service.begin(bad.id)
    service.end(fence, JobTransition.REFUSED, ReconstructionError("no-pair", "Nothing matches.", "Overlap more."))
    with pytest.raises(JobEndedError) as caught:
        client.wait(bad.id)
    assert (caught.value.code, caught.value.hint, caught.value.exit_code) == ("no-pair", "Overlap more.", 4)
    again = client.retry(bad.id)
    assert again.settings == {"depth.max_size_px": 320}
    assert client.cancel(again.id).state == "cancelled"
    with pytest.raises(JobEndedError, match="cancelled"):
        client.wait(again.id)
    with pytest.raises(ConflictError):
        client.retry(good.id)


def test_results_come_down_whole_and_what_is_there_stays(
    client: Any, service: LiveService, photographs: Path, tmp_path: Path
) -> None:
    job = submitted(client, photographs)
    fence = service.begin(job.id)
    content = {"model.glb": b"m" * 3_000_000, "sparse/cameras.bin": b"c" * 10, "empty.txt": b""}
    for path, data in content.items():
        service.result(fence, path, data)
    service.end(fence, JobTransition.STOPPED)  # partial results of a job that has no model can be had too
    out = tmp_path / "out"
    seen: list[TransferProgress] = []
    paths = client.download(job.id, out, progress=seen.append)
    assert {path.relative_to(out).as_posix(): path.read_bytes() for path in paths} == content
    assert {path.name for path in out.rglob("*") if path.is_file()} == {"model.glb", "cameras.bin", "empty.txt"}
    assert seen[-1].files_done == 3
    client.download(job.id, out, progress=seen.append)
    assert seen[-1].bytes_sent == 0
    (out / "model.glb").write_bytes(b"m" * 2_999_999 + b"x")  # as long, and wrong
    client.download(job.id, out, ["model.glb"])
    assert (out / "model.glb").read_bytes() == content["model.glb"]
    with pytest.raises(NotFoundError, match=r"no result nothing\.ply"):
        client.download(job.id, out, ["nothing.ply"])


def test_a_download_goes_on_at_the_byte_where_the_connection_broke(
    make_client: Any, service: LiveService, photographs: Path, tmp_path: Path
) -> None:
    job = submitted(make_client(service.url, service.key), photographs)
    fence = service.begin(job.id)
    content = bytes(range(256)) * 20_000
    service.result(fence, "model.glb", content)
    service.end(fence)
    with breaking_proxy(service.url) as proxy:
        client = make_client(proxy.url, service.key)
        proxy.upwards, proxy.cut_after, proxy.cuts = False, 2_000_000, 2
        seen: list[TransferProgress] = []
        (path,) = client.download(job.id, tmp_path / "out", progress=seen.append)
        assert proxy.cuts == 0
    assert path.read_bytes() == content
    assert seen[-1].bytes_sent == len(content)  # no byte twice


def test_a_damaged_part_of_an_earlier_download_is_noticed(
    client: Any, service: LiveService, photographs: Path, tmp_path: Path
) -> None:
    job = submitted(client, photographs)
    fence = service.begin(job.id)
    service.result(fence, "model.glb", b"good" * 1000)
    service.end(fence)
    sha256 = client.results(job.id)[0].sha256
    part = tmp_path / "out" / f".model.glb.{sha256[:16]}.part"
    part.parent.mkdir()
    part.write_bytes(b"evil" * 500)
    (path,) = client.download(job.id, tmp_path / "out")
    assert path.read_bytes() == b"good" * 1000
    assert not part.exists()


def test_a_file_that_stays_damaged_is_an_error_and_not_a_result(
    client: Any, service: LiveService, photographs: Path, tmp_path: Path
) -> None:
    job = submitted(client, photographs)
    fence = service.begin(job.id)
    service.result(fence, "model.glb", b"good" * 1000)
    service.end(fence)
    service.services.files.delete(f"results/{job.id}/model.glb")
    service.services.files.write(f"results/{job.id}/model.glb", [b"evil" * 1000])
    with pytest.raises(DamagedDownloadError):
        client.download(job.id, tmp_path / "out")
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_errors_say_what_the_service_said(client: Any, make_client: Any, service: LiveService, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as missing:
        client.job("00000000-0000-0000-0000-000000000000")
    assert missing.value.code == "job-missing"
    assert missing.value.request_id
    with pytest.raises(NotFoundError):
        list(client.watch("00000000-0000-0000-0000-000000000000"))
    with pytest.raises(AuthenticationError):
        make_client(service.url, "e2e_wrong").me()
    with pytest.raises(AuthenticationError):
        make_client(service.url).me()
    with pytest.raises(InvalidRequestError):
        client.create_webhook("http://10.0.0.1/hook")
    image_set = client.create_image_set("empty")
    with pytest.raises(InvalidRequestError) as empty:
        client.submit(image_set.id)
    assert empty.value.code == "no-photographs"
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError):
        client.upload(image_set.id, tmp_path / "nothing")
    with pytest.raises(UnreachableError):
        make_client("http://127.0.0.1:1", "key", patience_s=0.5).me()


def test_a_sign_in_is_renewed_under_way_by_one_of_many_threads(
    make_client: Any, photographs: Path, tmp_path: Path
) -> None:
    with live_service(tmp_path / "home", access_token_s=5) as short_lived:
        client = make_client(short_lived.url)
        client.sign_in(EMAIL, PASSWORD)
        image_set = client.create_image_set("signed in")  # tokens that last 5 s are renewed before every call
        assert client.upload(image_set.id, photographs).added == 4
        later = make_client(short_lived.url)  # another process: it finds the tokens in the file
        assert later.me().email == EMAIL
        later.sign_out()
        with pytest.raises(AuthenticationError):
            make_client(short_lived.url).me()


def test_webhooks_are_registered_tested_and_verified(client: Any, service: LiveService, photographs: Path) -> None:
    with receiving() as receiver:
        made = client.create_webhook(receiver.url(), ["job.succeeded"])
        assert [hook.id for hook in client.list_webhooks().items] == [made.webhook.id]
        delivery = client.ping_webhook(made.webhook.id)
        assert (delivery.state, delivery.status_code) == ("delivered", 204)
        message = receiver.messages[0]
        assert Webhook(made.secret).verify(message.body, message.headers)["type"] == "webhook.ping"
        assert client.rotate_webhook_secret(made.webhook.id).secret != made.secret
        job = submitted(client, photographs)
        service.end(service.begin(job.id))
        (told,) = [one for one in client.list_deliveries().items if one.job_id == job.id]
        assert told.event_type == "job.succeeded"
        assert client.replay_delivery(told.id).message_id == told.message_id
        with pytest.raises(ConflictError, match="test message"):
            client.replay_delivery(delivery.id)
        client.delete_webhook(made.webhook.id)
        assert client.list_webhooks().items == ()


def test_lists_are_walked_through_page_by_page(client: Any) -> None:
    made = [client.create_image_set(f"page {number}").id for number in range(3)]
    first = client.list_image_sets(limit=2)
    second = client.list_image_sets(limit=2, cursor=first.next_cursor)
    assert [one.id for one in (*first.items, *second.items)][:3] == made[::-1]
    client.delete_image_set(made[0])
    with pytest.raises(NotFoundError):
        client.image_set(made[0])


def test_the_client_needs_nothing_heavy() -> None:
    heavy = "ray torch fastapi numpy sqlalchemy s3fs PIL cv2 open3d pycolmap"
    code = (
        "import sys, e2e3d.client.clients, e2e3d.client.commands.webhooks, e2e3d.client.commands.submission\n"
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _user_id(service: LiveService) -> str:
    with Client(service.url, service.key) as client:
        return client.me().id


def _sent(seen: list[TransferProgress]) -> list[Path]:
    return [Path(name) for name in {progress.name for progress in seen}]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
