"""What commands change in a real service, each seen in its effect."""

from __future__ import annotations

import base64
import datetime
import io
import json
import zipfile
from pathlib import Path

import httpx
import pytest
from PIL import Image
from standardwebhooks import Webhook

from e2e3d.client import AuthenticationError, Client
from e2e3d.errors import ReconstructionError
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.lifecycle import JobTransition
from tests.client.typed import as_json, command, printed, refused
from tests.live import PASSWORD, LiveService, now
from tests.receiver import receiving

pytestmark = pytest.mark.slow
K = "1000 0 320  # fx skew cx\n0 1000 240\n0 0 1\n"


def test_what_is_known_of_the_photographs_goes_with_the_job(
    signed_in: LiveService, photographs: Path, tmp_path: Path
) -> None:
    (tmp_path / "K.txt").write_text(K)
    masks = tmp_path / "drawn"
    masks.mkdir()
    for number in range(2):
        Image.new("L", (400, 300), 255).save(masks / f"IMG_{number}.png")  # the same picture for both
    image_set = printed("upload", photographs)
    given = ("--intrinsics", tmp_path / "K.txt", "--scale", 2.5, "--known-distance", "IMG_0.jpg,IMG_1.jpg,1.52")
    job = as_json("submit", image_set, "--quality", "preview", "--masks", masks, "--priority", 3, *given)
    assert job["options"] == {"intrinsics": K, "scale": 2.5, "known_distance": ["IMG_0.jpg", "IMG_1.jpg", 1.52]}
    assert job["priority"] == 3
    with signed_in.services.database.reading() as session:
        files = {name for name, _ in jobs.photographs(session, job["id"])}
    assert files == {*(f"IMG_{number}.jpg" for number in range(4)), "masks/IMG_0.png", "masks/IMG_1.png"}
    again = as_json(
        "rerun", job["id"], "--quality", "low", "--output", "glb", "--known-distance", "IMG_2.jpg,IMG_3.jpg,9"
    )
    assert (again["quality"], again["outputs"], again["retry_of"]) == ("low", ["glb"], job["id"])
    assert again["options"] == job["options"] | {"known_distance": ["IMG_2.jpg", "IMG_3.jpg", 9.0]}
    refused("submit", image_set, "--intrinsics", tmp_path / "none.txt", code="no-such-path", exit_code=3)
    refused("submit", image_set, "--known-distance", "IMG_0.jpg,1", code="bad-setting", exit_code=2)
    refused("submit", image_set, "--known-distance", "IMG_0.jpg,x.jpg,1", code="bad-distance", exit_code=2)
    for one in (job["id"], again["id"]):
        printed("cancel", one)


def test_masks_are_sent_with_their_photographs_or_after_them(
    signed_in: LiveService, photographs: Path, tmp_path: Path
) -> None:
    masks = tmp_path / "drawn"
    masks.mkdir()
    Image.new("L", (400, 300), 255).save(masks / "IMG_0.png")
    image_set = printed("upload", photographs, "--masks", masks)
    assert [one["name"] for one in as_json("sets", "photos", image_set) if "masks/" in one["name"]] == [
        "masks/IMG_0.png"
    ]
    again = command("upload", photographs, "--masks", masks)
    assert "5 already there; 0 B sent" in again.stderr
    (masks / "more.zip").write_bytes(b"PK")
    said = refused("upload", photographs, "--masks", masks, code="masks-archive", exit_code=3)
    assert "Unpack it" in said


def test_a_failed_job_is_tried_again(signed_in: LiveService, photographs: Path) -> None:
    job = printed("submit", printed("upload", photographs), "--quality", "preview", "--name", "hard")
    signed_in.end(
        signed_in.begin(job), JobTransition.REFUSED, ReconstructionError("no-pair", "Nothing matches.", "Help.")
    )
    assert "[no-pair] Nothing matches. Help." in printed("show", job)
    again = as_json("retry", job)
    assert (again["retry_of"], again["state"], again["name"]) == (job, "queued", "hard")
    printed("cancel", again["id"])


def test_results_are_listed_linked_archived_and_the_log_is_printed(
    signed_in: LiveService, photographs: Path, tmp_path: Path
) -> None:
    job = printed("submit", printed("upload", photographs), "--quality", "preview", "--name", "linked")
    fence = signed_in.begin(job)
    for path, content in (("model.glb", b"model"), ("sparse/points.bin", b"points")):
        signed_in.result(fence, path, content)
    with signed_in.services.database.session() as session:
        jobs.add_log(session, job, [(now(), "warning", "line one"), (now(), "info", "line two")])
    signed_in.end(fence)
    assert [line.split() for line in printed("results", "linked").splitlines()] == [
        ["model.glb", "5", "B", "model/gltf-binary"],
        ["sparse/points.bin", "6", "B", "application/octet-stream"],
    ]
    linked = command("links", "linked", "--hours", 2)
    addresses = dict(line.split() for line in linked.stdout.splitlines())
    assert httpx.get(_here(signed_in, addresses["sparse/points.bin"])).content == b"points"
    assert len(addresses) == 2
    until = f"{now() + datetime.timedelta(hours=2):%Y-%m-%d %H:}"
    assert f"work until {until}" in linked.stderr
    (one,) = as_json("links", "linked", "model.glb")
    assert httpx.get(_here(signed_in, one["url"])).content == b"model"
    refused("links", "linked", "none.glb", code="result-missing", exit_code=8)
    target = tmp_path / "deep" / "all.zip"
    assert printed("download", "linked", "-o", target, "--archive") == str(target)
    with zipfile.ZipFile(target) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "model.glb": b"model",
            "sparse/points.bin": b"points",
        }
    assert [path.name for path in target.parent.iterdir()] == ["all.zip"]
    refused("download", "linked", "-o", target / "below" / "all.zip", "--archive", code="cannot-write", exit_code=5)
    log = [line.split("  ", 1)[1] for line in printed("log", "linked").splitlines()]
    assert log == ["warning  line one", "info     line two"]


def _here(service: LiveService, address: str) -> str:
    """A signed address, which is on the configured URL of the service, on the port where it is."""
    return service.url + httpx.URL(address).raw_path.decode()


def test_a_job_is_shown_and_its_forecast_told(signed_in: LiveService, photographs: Path) -> None:
    image_set = printed("upload", photographs, "--name", "shown")
    said = printed("forecast", "shown", "--quality", "preview")
    assert "photographs     4 of 0.1 megapixels" in said
    assert as_json("forecast", image_set, "--set", "depth.max_size_px=320")["photos"] == 4
    refused("forecast", "shown", "--set", "depth.maxsize=1", code="unknown-setting", exit_code=2)
    job = printed("submit", "shown", "--quality", "preview", "--set", "depth.max_size_px=320")
    fields = dict(line.split("  ", 1) for line in printed("show", "shown").splitlines() if "  " in line)
    shown = {name.strip(): value.strip() for name, value in fields.items()}
    assert shown["job"] == job
    assert shown["state"] == "queued"
    assert int(shown["place in queue"]) >= 1
    assert shown["settings"] == "depth.max_size_px=320"
    printed("cancel", job)


def test_keys_are_made_listed_and_revoked(signed_in: LiveService) -> None:
    made = command("keys", "create", "reader", "--scope", "read", "--days", 30)
    key = made.stdout.strip()
    assert "not shown again" in made.stderr
    with Client(signed_in.url, key) as reader:
        assert reader.me().scopes == ("read",)
        (found,) = [one for one in as_json("keys", "list") if one["name"] == "reader"]
        expires = datetime.datetime.fromisoformat(found["expires_at"])
        assert abs(expires - now() - datetime.timedelta(days=30)) < datetime.timedelta(minutes=5)
        assert key.startswith(found["prefix"])
        assert key not in printed("keys", "list")
        assert f"Revoked {found['id']}." in command("keys", "revoke", found["prefix"]).stderr
        assert command("usage", "--url", signed_in.url).exit_code == 0
        refused("login", "--url", signed_in.url, "--key", key, code="token-invalid", exit_code=7)
    refused("keys", "create", "x", "--scope", "everything", code="invalid-request", exit_code=2)


def test_users_are_made_changed_locked_and_given_a_new_password(signed_in: LiveService) -> None:
    email = "ada@example.org"
    password = printed("users", "create", email, "--name", "Ada", "--quota-bytes", "2.5GB", "--quota-jobs", 3)
    assert refused("users", "create", email, code="email-taken", exit_code=6)

    def may_sign_in(with_password: str) -> bool:
        with Client(signed_in.url) as client:
            try:
                client.sign_in(email, with_password, keep=False)
            except AuthenticationError:
                return False
            return True

    assert may_sign_in(password)
    (ada,) = [one for one in as_json("users", "list") if one["email"] == email]
    assert ada["quotas"] == {"photos": ada["quotas"]["photos"], "bytes": 2_500_000_000, "jobs": 3}
    changed = as_json("users", "edit", email, "--quota-photos", 7, "--role", "admin")
    assert (changed["quotas"]["photos"], changed["role"], changed["name"]) == (7, "admin", "Ada")
    assert "at most 7 a job" in printed("users", "show", ada["id"])
    refused("users", "edit", email, code="nothing-to-change", exit_code=2)
    refused("users", "edit", email, "--quota-bytes", "many", code="bad-setting", exit_code=2)
    assert "is disabled" in command("users", "disable", email).stderr
    assert not may_sign_in(password)
    assert "is enabled" in command("users", "enable", email).stderr
    replaced = printed("users", "reset", "ADA@example.org")
    assert may_sign_in(replaced)
    assert not may_sign_in(password)
    assert printed("users", "reset", email, "--password-stdin", typed=f"{PASSWORD} of hers\n") == ada["id"]
    assert may_sign_in(f"{PASSWORD} of hers")


def test_keys_of_users_are_revoked_and_users_deleted_and_restored(
    signed_in: LiveService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    email = "leaver@example.org"
    password = printed("users", "create", email)
    with Client(signed_in.url) as own:
        own.sign_in(email, password, keep=False)
        made = {name: own.create_api_key(name).key for name in ("one", "two", "three")}

    def works(name: str) -> bool:
        with monkeypatch.context() as somebody_else:
            somebody_else.setenv("XDG_CONFIG_HOME", str(tmp_path / "of-somebody-else"))
            return command("login", "--url", signed_in.url, "--key", made[name]).exit_code == 0

    assert {one["name"] for one in as_json("users", "keys", email)} == set(made)
    refused("users", "revoke-key", email, "four", code="no-such-name", exit_code=8)
    assert "Revoked" in command("users", "revoke-key", email, "one").stderr
    assert [works(name) for name in made] == [False, True, True]
    assert "0 keys have ended" in command("users", "reset", email, "--keep-keys").stderr
    assert "users restore" in command("users", "delete", email).stderr
    assert "deleted, goes at" in printed("users", "show", email)
    assert not works("two")
    assert f"{email} is enabled." in command("users", "restore", email).stderr
    assert works("two")
    assert "2 keys have ended" in command("users", "reset", email).stderr
    assert not works("two")


def test_an_account_is_renamed_and_its_password_changed(
    signed_in: LiveService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    password = printed("users", "create", "grace@example.org")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "of-grace"))
    here = ("--url", signed_in.url)
    assert command("login", *here, "--email", "grace@example.org", "--password-stdin", typed=password).exit_code == 0
    assert "is called Grace \N{REPLACEMENT CHARACTER}" not in command("account", "rename", "Grace").stderr
    assert as_json("usage")["name"] == "Grace"
    assert "unfinished jobs  0 of" in printed("usage")
    new = "another password of hers"
    refused("account", "password", "--password-stdin", typed=f"wrong\n{new}\n", code="wrong-credentials", exit_code=7)
    assert command("account", "password", "--password-stdin", typed=f"{password}\n{new}\n").exit_code == 0
    assert command("login", *here, "--email", "grace@example.org", "--password-stdin", typed=password).exit_code == 7
    assert command("login", *here, "--email", "grace@example.org", "--password-stdin", typed=new).exit_code == 0
    refused("users", "list", code="administrators-only", exit_code=7)


def test_webhooks_are_registered_tried_and_told_again(signed_in: LiveService, photographs: Path) -> None:
    with receiving() as receiver:
        address = receiver.url(path="/hook")
        secret = printed("webhooks", "create", address, "--event", "job.queued")
        assert "delivered" in printed("webhooks", "ping", address)
        (message,) = receiver.messages
        assert Webhook(secret).verify(message.body, message.headers)["type"] == "webhook.ping"
        new = printed("webhooks", "rotate", address)
        assert new != secret
        printed("webhooks", "ping", address)
        assert Webhook(new).verify(receiver.messages[-1].body, receiver.messages[-1].headers)
        receiver.answers = [(500, {}, b"broken")]
        failed = command("webhooks", "ping", address)
        assert (failed.exit_code, "500" in failed.stdout, "broken" in failed.stdout) == (6, True, True)
        assert [one["status_code"] for one in as_json("webhooks", "deliveries", address)] == [500, 204, 204]
        job = printed("submit", printed("upload", photographs), "--quality", "preview")
        queued = as_json("webhooks", "deliveries", "--limit", 1)[0]
        assert (queued["job_id"], queued["event_type"], queued["state"]) == (job, "job.queued", "pending")
        assert job in printed("webhooks", "delivery", queued["id"])
        assert printed("webhooks", "replay", queued["id"])
        edited = as_json("webhooks", "edit", address, "--disable", "--event", "job.failed", "--address", f"{address}/2")
        assert (edited["enabled"], edited["event_types"], edited["url"]) == (False, ["job.failed"], f"{address}/2")
        refused("webhooks", "edit", f"{address}/2", code="nothing-to-change", exit_code=2)
        assert "off" in printed("webhooks", "list")
        printed("webhooks", "delete", f"{address}/2")
        assert f"{address}/2" not in printed("webhooks", "list")
        printed("cancel", job)
    with Client(signed_in.url) as client:
        assert printed("webhooks", "secret") == client.job_webhook_secret()


def test_image_sets_and_their_photographs(signed_in: LiveService, photographs: Path) -> None:
    (photographs / "dark.jpg").write_bytes(_picture())
    image_set = printed("sets", "create", "a set")
    printed("upload", photographs, "--to", "a set")
    assert "4 photographs" in printed("sets", "list", "--search", "a set")
    assert as_json("sets", "show", "a set")["photo_count"] == 4  # a black one is of no use
    listed = printed("sets", "photos", "a set")
    assert listed.count("\n") == 4
    dark = as_json("sets", "photo", "a set", "dark.jpg")
    assert dark["findings"]
    assert dark["findings"][0]["message"] in printed("sets", "photo", "a set", dark["id"])
    refused("sets", "remove", "a set", "dark.jpg", "none.jpg", code="no-such-name", exit_code=8)
    assert "Removed 2" in command("sets", "remove", "a set", dark["id"], "IMG_0.jpg").stderr
    assert {one["name"] for one in as_json("sets", "photos", "a set")} == {f"IMG_{number}.jpg" for number in (1, 2, 3)}
    assert "is called another" in command("sets", "rename", "a set", "another").stderr
    assert f"Deleted {image_set}." in command("sets", "delete", "another").stderr
    refused("sets", "show", image_set, code="image-set-missing", exit_code=8)
    refused("sets", "import", printed("sets", "create", "i"), "s3://x/y", code="prefix-not-allowed", exit_code=2)


def test_an_upload_that_was_begun_is_shown_and_discarded(signed_in: LiveService) -> None:
    image_set = printed("sets", "create", "half")
    metadata = f"filename {base64.b64encode(b'half.jpg').decode()}"
    headers = {"tus-resumable": "1.0.0", "upload-length": "5000000", "upload-metadata": metadata}
    headers["authorization"] = f"Bearer {signed_in.key}"
    begun = httpx.post(f"{signed_in.url}/v1/image-sets/{image_set}/uploads", headers=headers)
    upload = begun.headers["location"].rsplit("/", 1)[-1]
    assert "0 B of 5.0 MB" in printed("uploads", "list", "half")
    assert "half.jpg" in printed("uploads", "show", upload)
    assert as_json("uploads", "show", upload)["state"] == "open"
    assert f"Discarded {upload}." in command("uploads", "discard", upload).stderr
    refused("uploads", "show", upload, code="upload-missing", exit_code=8)
    assert printed("uploads", "list", "half") == ""


def test_administrators_read_the_audit_log_and_set_the_log_level(signed_in: LiveService) -> None:
    image_set = printed("sets", "create", "audited")
    (entry,) = as_json("admin", "audit", "--action", "image-set.create", "--limit", 1)
    assert entry["resource_id"] == image_set
    assert image_set in printed("admin", "audit", "--user", "admin@localhost", "--limit", 1)
    before = printed("admin", "log-level")
    assert printed("admin", "log-level", "warning") == "warning"
    assert printed("admin", "log-level") == "warning"
    printed("admin", "log-level", before)
    refused("admin", "log-level", "loud", code="invalid-request", exit_code=2)


def test_status_says_whether_the_service_is_ready(signed_in: LiveService) -> None:
    assert "database     ok" in printed("status", "--url", signed_in.url)
    assert as_json("status")["status"] == "ok"
    assert command("status", "--url", "http://127.0.0.1:9").exit_code == 5


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (400, 300)).save(file, "JPEG")
    return file.getvalue()


def test_names_of_others_cannot_steer_a_terminal(signed_in: LiveService) -> None:
    printed("users", "create", "mallory@example.org", "--name", "\x1b[2J\x1b]0;owned\x07")
    listed = printed("users", "list")
    assert "\x1b" not in listed
    assert "\N{REPLACEMENT CHARACTER}[2J" in listed
    assert json.loads(printed("users", "list", "--json"))[0]["name"].startswith("\x1b")
