"""A bucket is prepared on a real S3 server, and its users are refused what they must not do."""

from __future__ import annotations

import dataclasses
import json
import tomllib
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.errors import MachineError, SettingsError
from e2e3d.storage.bucket_setup import Outcome, prepare_bucket
from e2e3d.storage.opening import open_objects
from e2e3d.storage.s3_bucket import S3Bucket
from tests.command import e2e3d
from tests.servers import SECRET, WRITER

pytestmark = pytest.mark.slow


@pytest.fixture
def url() -> str:
    return f"s3://models-{uuid.uuid4().hex[:12]}/service"


def environment(url: str, options: S3Options, home: Path) -> dict[str, str]:
    given = {"STORE": url, "S3_ENDPOINT": options.endpoint, "S3_KEY": options.key, "S3_SECRET": options.secret}
    return {f"E2E3D_{name}": str(value) for name, value in (given | {"HOME": home}).items()}


def denied(act: Callable[[], Any]) -> bool:
    """Whether the server refused it for want of a right, and for nothing else."""
    try:
        act()
    except MachineError as error:
        return error.code == "store-denied"
    return False


def test_a_bucket_is_made_with_versions_rules_and_encryption(url: str, s3: S3Options) -> None:
    first = {step.what: step for step in prepare_bucket(url, s3, 30)}
    assert {what for what, step in first.items() if step.outcome is Outcome.DONE} == {
        "bucket",
        "versions",
        "lifecycle",
        "encryption",
    }
    assert first["bucket"].detail == "was made"
    closed = first["public access"]
    assert (closed.outcome, closed.detail[:14]) == (Outcome.NOT_SUPPORTED, "NotImplemented"), "SeaweedFS has none"

    bucket = S3Bucket(url, s3)
    bucket.put("service/a", b"first")
    bucket.put("service/a", b"second")
    bucket.call("delete_object", Key="service/a")
    kept = bucket.call("list_object_versions", Prefix="service/a")["Versions"]
    assert [
        bucket.call("get_object", Key="service/a", VersionId=one["VersionId"])["ServerSideEncryption"] for one in kept
    ] == ["AES256"] * 2
    rules = {rule["ID"]: rule for rule in bucket.call("get_bucket_lifecycle_configuration")["Rules"]}
    assert rules["e2e3d-old-versions"]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 30
    assert rules["e2e3d-unfinished-uploads"]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 8


def test_it_can_be_run_again_and_leaves_the_rules_of_others(url: str, s3: S3Options) -> None:
    list(prepare_bucket(url, s3, 30))
    bucket = S3Bucket(url, s3)
    rules = bucket.call("get_bucket_lifecycle_configuration")["Rules"]
    other = {"ID": "others", "Status": "Enabled", "Filter": {"Prefix": "other/"}, "Expiration": {"Days": 3}}
    bucket.call("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": [*rules, other]})
    again = {step.what: step.detail for step in prepare_bucket(url, s3, 7)}
    assert (again["bucket"], again["versions"]) == ("is there", "are kept")
    found = {rule["ID"]: rule for rule in bucket.call("get_bucket_lifecycle_configuration")["Rules"]}
    assert found.keys() == {"others", "e2e3d-old-versions", "e2e3d-unfinished-uploads"}
    assert found["e2e3d-old-versions"]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 7


def test_what_may_not_be_done_is_said(url: str, s3: S3Options, tmp_path: Path) -> None:
    writer = dataclasses.replace(s3, key=WRITER, secret=SECRET)
    with pytest.raises(MachineError) as refused:
        list(prepare_bucket(url, writer, 30))
    assert refused.value.code == "store-denied"
    with pytest.raises(SettingsError, match="no bucket"):
        list(prepare_bucket(str(tmp_path), s3, 30))


def test_each_user_can_do_its_work_and_nothing_else(url: str, s3: S3Options, tmp_path: Path) -> None:
    done = e2e3d(
        "admin", "prepare-storage", "--users", tmp_path / "keys", "--policies", tmp_path / "policies", "--json",
        **environment(url, s3, tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = {line["what"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert said["user e2e3d-service"]["outcome"] == said["user e2e3d-backup"]["outcome"] == "done"
    assert {path.name for path in (tmp_path / "policies").iterdir()} == {"service.json", "backup.json"}
    keys = {path.stem: tomllib.loads(path.read_text()) for path in (tmp_path / "keys").iterdir()}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {0o600}
    options = {
        name: dataclasses.replace(s3, key=each["s3_key"], secret=each["s3_secret"]) for name, each in keys.items()
    }

    store = open_objects(url, options["service"])
    store.put("blob/a", b"first")
    store.write("blob/long", [b"x" * (9 << 20)])
    assert bytes(store.load("blob/a")) == b"first"
    assert {info.name for info in store.find("blob")} == {"blob/a", "blob/long"}
    presigner = store.presigner
    assert presigner is not None
    presigner.abort("blob/b", presigner.start("blob/b"))
    store.delete("blob/long")

    reader = open_objects(url, options["backup"])
    assert bytes(reader.load("blob/a")) == b"first"
    assert [info.name for info in reader.find("blob")] == ["blob/a"]
    assert denied(lambda: reader.put("blob/a", b"changed"))
    assert denied(lambda: reader.delete("blob/a"))

    service, outside = (
        S3Bucket(url, options["service"]),
        S3Bucket(url.rpartition("/")[0] + "/other", options["service"]),
    )
    versions = S3Bucket(url, s3).call("list_object_versions", Prefix="service/blob/long")["Versions"]
    assert denied(lambda: outside.put("other/a", b"x"))
    assert denied(lambda: service.call("delete_object", Key="service/blob/long", VersionId=versions[0]["VersionId"]))
    assert denied(lambda: service.call("delete_bucket"))
    assert denied(lambda: service.call("put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"}))
    assert denied(lambda: service.call("put_bucket_policy", Policy="{}"))
    assert denied(lambda: S3Bucket("s3://models-of-somebody-else", options["service"]).call("create_bucket"))

    refused = {step.what for step in prepare_bucket(url, options["service"], 1) if step.outcome is Outcome.REFUSED}
    assert {"versions", "lifecycle", "encryption"} <= refused
    again = e2e3d("admin", "prepare-storage", "--users", tmp_path / "keys", "--json", **environment(url, s3, tmp_path))
    assert (again.returncode, tomllib.loads((tmp_path / "keys" / "service.toml").read_text())) == (0, keys["service"])
