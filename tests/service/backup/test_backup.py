"""Backups: everything comes back, and nothing is ever named that is not there."""

from __future__ import annotations

import datetime
import hashlib
import json
import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, func, inspect, select

from e2e3d.client import Client
from e2e3d.errors import E2E3DError
from e2e3d.service.administration import state
from e2e3d.service.all_tables import BlobRow, JobRow, PhotoRow, ResultRow, UploadRow, UserRow
from e2e3d.service.backup.backup_folder import BackupFolder, new_backup_id
from e2e3d.service.backup.make_backup import copy_objects, make_backup
from e2e3d.service.backup.restore_backup import restore_backup, restore_objects
from e2e3d.service.backup.verify_backup import verify_backup
from e2e3d.service.database import downgrade
from e2e3d.service.database.table_base import now
from e2e3d.service.verification.verify import Verified
from e2e3d.storage.names import blob_name
from tests.live import live_service
from tests.service.backup.deployments import MODEL, Deployment, deployment, embedded, filled

__all__ = ["deployment", "embedded", "filled"]

TABLES = (BlobRow, JobRow, PhotoRow, ResultRow, UploadRow, UserRow)


def counts(deployment: Deployment) -> dict[str, int]:
    database = deployment.database()
    with database.reading() as session:
        found = {table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES}
    database.close()
    return found


def restore(deployment: Deployment, backup_id: str | None = None) -> tuple[str, ...]:
    database, folder = deployment.database(), deployment.folder()
    try:
        done = restore_backup(database, deployment.files(), folder, folder.manifest(backup_id), now())
    finally:
        database.close()
    return done.lacking


def verified(deployment: Deployment) -> Verified:
    database, folder = deployment.database(), deployment.folder()
    try:
        return verify_backup(database, folder, folder.manifest(None), now)
    finally:
        database.close()


def refusal(work: Callable[[], object]) -> str:
    with pytest.raises(E2E3DError) as caught:
        work()
    assert caught.value.hint
    return caught.value.code


def test_all_that_was_lost_comes_back(deployment: Deployment, tmp_path: Path) -> None:
    before, objects = counts(deployment), {info.name: info.bytes for info in deployment.files().find()}
    assert min(before.values()) > 0
    made = deployment.back_up()
    assert (made.copied, made.lost) == (5, ())  # three photographs, a result, a piece of an upload
    again = deployment.back_up()
    assert (again.copied, again.objects, again.object_bytes) == (0, made.objects, made.object_bytes)
    found = verified(deployment)
    assert (found.blobs, found.results, found.lost) == (3, 1, [])

    deployment.lose()
    assert restore(deployment) == ()
    assert counts(deployment) == before
    back = {info.name: info.bytes for info in deployment.files().find()}
    assert back == {name: size for name, size in objects.items() if not name.startswith("health/")}
    with live_service(deployment.home, **deployment.given) as live, Client(live.url, live.key) as client:
        assert client.download(deployment.job, tmp_path / "model")
        assert (tmp_path / "model" / "model.glb").read_bytes() == MODEL
        assert {photo.name for photo in client.all_photos(client.list_image_sets().items[0].id)} == {
            "IMG_0.jpg",
            "IMG_1.jpg",
            "IMG_2.jpg",
        }


def test_an_object_that_goes_while_the_backup_is_made_is_named_by_no_backup(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is in the snapshot, its bytes go before they are copied: as when its owner deletes it in between."""
    database, files, folder = deployment.database(), deployment.files(), deployment.folder()
    name = "results/new/model.ply"
    write, moments = folder.write, iter((False, True))

    def clock():  # type: ignore[no-untyped-def]
        if not files.size(name) and counting["dumps"] == 0 and counting["asked"] == 1:
            files.write(name, [b"new"])  # after the first copies, before the snapshot
            with database.session() as session:
                result = session.scalars(select(ResultRow)).one()
                values = {"job_id": result.job_id, "media_type": "x", "bytes": 3, "sha256": _sha256(b"new")}
                session.add(ResultRow(path="model.ply", key=name, **values))
        counting["asked"] += 1
        return now()

    def write_and_lose(part: str, blocks: Iterable[bytes]) -> tuple[int, str]:
        written = write(part, blocks)
        if "/database." in part and not next(moments, True):
            counting["dumps"] += 1
            files.delete(name)
            with database.session() as session:
                session.execute(delete(ResultRow).where(ResultRow.key == name))
        return written

    counting = {"asked": 0, "dumps": 0}
    monkeypatch.setattr(folder, "write", write_and_lose)
    manifest = make_backup(deployment.settings, database, files, folder, None, clock)
    database.close()
    assert counting["dumps"] == 1, "the object went during the first snapshot"
    assert name not in {one.name for one in folder.read_list(manifest.id)}
    assert [one.id for one in folder.manifests()] == [manifest.id], "the first snapshot does not count"
    assert manifest.lost == ()
    assert verified(deployment).lost == []


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_bytes_that_were_lost_before_are_said_to_be(embedded: Deployment, tmp_path: Path) -> None:
    database, files = embedded.database(), embedded.files()
    with database.reading() as session:
        damaged, gone, _ = session.scalars(select(BlobRow.sha256).order_by(BlobRow.sha256))
    database.close()
    length = files.size(blob_name(damaged))
    assert length is not None
    files.write(blob_name(damaged), [bytes(length)])
    files.delete(blob_name(gone))
    manifest = embedded.back_up()
    assert set(manifest.lost) == {blob_name(damaged), blob_name(gone)}
    assert {one.sha256 for one in verified(embedded).lost} == {damaged, gone}
    embedded.lose()
    assert set(restore(embedded)) == set(manifest.lost)


def test_a_backup_that_lost_a_file_is_not_verified(embedded: Deployment, tmp_path: Path) -> None:
    embedded.back_up()
    objects = embedded.folder().objects
    names = [info.name for info in objects.find()]
    result, piece, photo, *_ = sorted(names, key=lambda name: ("results", "uploads", "blob").index(name.split("/")[0]))
    objects.write(photo, [bytes(objects.size(photo) or 0)])
    for name in (result, piece):
        objects.delete(name)
    assert {one.kind for one in verified(embedded).lost} == {"photograph", "job-input", "result", "upload"}


def test_old_backups_go_with_the_objects_that_only_they_need(embedded: Deployment, tmp_path: Path) -> None:
    folder, first = embedded.folder(), embedded.back_up()
    database = embedded.database()
    with database.session() as session:
        session.execute(delete(ResultRow))
    database.close()
    second = embedded.back_up()
    assert folder.prune(2) == 0
    assert {one.id for one in folder.manifests()} == {first.id, second.id}
    assert folder.prune(1) == 1
    assert [one.id for one in folder.manifests()] == [second.id]
    assert {info.name for info in folder.objects.find()} == {one.name for one in folder.read_list(second.id)}
    assert verified(embedded).lost == []


def test_ids_sort_by_time_also_within_a_second() -> None:
    times = [datetime.datetime(2026, 11, 28, 7, 22, 54, part) for part in range(0, 1_000_000, 997)]
    ids = [new_backup_id(time) for time in times]
    assert ids == sorted(ids)


def test_tables_of_an_earlier_version_are_migrated(embedded: Deployment, tmp_path: Path) -> None:
    database = embedded.database()
    downgrade(database, "0004")
    database.close()
    assert embedded.back_up().revision == "0004"
    assert verified(embedded).lost == []
    embedded.lose()
    restore(embedded)
    with live_service(embedded.home, **embedded.given) as live, Client(live.url, live.key) as client:
        assert len(client.list_jobs().items) == 1


def test_what_cannot_be_restored_is_refused_before_anything_is_changed(embedded: Deployment, tmp_path: Path) -> None:
    assert refusal(lambda: embedded.folder().manifest(None)) == "no-backup"
    made = embedded.back_up()
    assert refusal(lambda: embedded.folder().manifest("20000101T000000Z-0000")) == "no-backup"
    assert refusal(lambda: restore(embedded)) == "database-not-empty"
    embedded.lose()
    path = Path(embedded.place, "backups", made.id, "manifest.json")
    whole = path.read_bytes()
    for change, code in (
        (replace(made, revision="9999"), "backup-newer"),
        (replace(made, format=2), "backup-newer"),
        (replace(made, database="postgresql"), "backup-other-database"),
        (replace(made, dump=replace(made.dump, sha256="0" * 64)), "backup-damaged"),
        (replace(made, dump=replace(made.dump, name="backups/gone")), "backup-damaged"),
    ):
        path.write_bytes(change.to_json())
        assert refusal(lambda: restore(embedded)) == code
        assert tables(embedded) == []
    path.write_bytes(whole)
    listed = path.with_name("objects.jsonl.z")
    listed.write_bytes(listed.read_bytes()[:-10])
    assert refusal(lambda: restore(embedded)) == "backup-damaged"
    listed.write_bytes(b"no list")
    assert refusal(lambda: restore(embedded)) == "backup-damaged"


def tables(deployment: Deployment) -> list[str]:
    database = deployment.database()
    with database.connection() as connection:
        found = inspect(connection).get_table_names()
    database.close()
    return found


def test_a_full_disk_leaves_no_half_backup(
    embedded: Deployment, tmp_path: Path, small_disk: Callable[[int], Path]
) -> None:
    full = replace(embedded, place=str(small_disk(100_000) / "backups"))
    assert refusal(full.back_up) == "disk-full"
    assert full.folder().manifests() == []
    small_disk(50_000_000)
    assert full.back_up().lost == ()
    assert verified(full).lost == []


def test_two_backups_to_one_place_take_turns(embedded: Deployment, tmp_path: Path) -> None:
    with embedded.folder().alone(now()):
        assert refusal(embedded.back_up) == "backup-running"
    dead = Path(embedded.place, "running", "dead")
    dead.parent.mkdir(parents=True, exist_ok=True)
    dead.write_text(json.dumps({"host": socket.gethostname(), "pid": 2**22 + 1}))
    assert embedded.back_up().lost == ()
    assert not dead.exists()


def test_objects_alone_for_a_database_that_was_recovered(embedded: Deployment, tmp_path: Path) -> None:
    database, files, folder = embedded.database(), embedded.files(), embedded.folder()
    copied, _ = copy_objects(database, files, folder, now)
    assert copied == 5
    for info in list(files.find()):
        files.delete(info.name)
    restored = restore_objects(database, files, BackupFolder(embedded.place, embedded.settings.s3_options))
    database.close()
    assert (restored.copied, restored.lacking) == (5, ())


def test_metrics_say_how_old_the_newest_backup_is(embedded: Deployment) -> None:
    database = embedded.database()
    made = embedded.back_up()
    with database.reading() as session:
        assert state.last_backups(session) == {"made": made.snapshot_at}
    database.close()
