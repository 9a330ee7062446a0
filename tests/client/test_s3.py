"""What the client does where the service keeps everything in S3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e3d.storage.opening import open_objects
from tests.client.conftest import write_photographs
from tests.client.typed import as_json, command, printed
from tests.command import wait_for
from tests.live import EMAIL, PASSWORD, live_service
from tests.servers import S3Server
from tests.service.uploads.conftest import s3_settings

pytestmark = pytest.mark.slow


def test_photographs_come_from_s3_and_go_straight_to_it(
    s3_server: S3Server, tmp_path: Path, make_client: Callable[..., Any]
) -> None:
    write_photographs(tmp_path / "photographs", 3, seed=23)
    first, *others = sorted((tmp_path / "photographs").iterdir())
    with live_service(tmp_path / "home", **s3_settings(s3_server)) as live:
        settings = live.services.settings
        (source,) = settings.allowed_s3_prefixes
        files = open_objects(f"{source}/day1", settings.s3_options)
        for path in others:
            files.write(path.name, [path.read_bytes()])
        here = ("--url", live.url)
        command("login", *here, "--email", EMAIL, "--password-stdin", typed=PASSWORD)
        image_set = printed("sets", "create", "from S3")
        begun = printed("sets", "import", "from S3", f"{source}/day1")
        wait_for(lambda: as_json("uploads", "show", begun)["state"] == "done", 60)
        assert "2 added" in printed("uploads", "show", begun)

        client = make_client(live.url, live.key)
        upload = client.begin_presigned_upload(image_set, first.name, first.stat().st_size)
        (part,) = client.sign_upload_parts(upload.upload.id, [1]).parts
        etag = httpx.put(part.url, content=first.read_bytes(), timeout=60).headers["etag"]
        client.complete_presigned_upload(upload.upload.id, [etag])
        wait_for(lambda: client.upload_state(upload.upload.id).state == "done", 60)
        assert {one["name"] for one in as_json("sets", "photos", "from S3")} == {
            first.name,
            *(one.name for one in others),
        }
