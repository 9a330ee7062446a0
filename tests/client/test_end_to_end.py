"""The commands against the service as its users run both: photographs in, a model out, and a webhook that says so."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from e2e3d.client import Client
from tests.command import ROOT, SMALL, command, environment, wait_for
from tests.receiver import receiving
from tests.running_service import EMAIL, PASSWORD, RunningService

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only"),
]


@pytest.mark.operations
def test_photographs_become_a_model_by_the_commands(
    make_service: Callable[..., RunningService], sample_set: Path, tmp_path: Path
) -> None:
    service = make_service(E2E3D_WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8")
    service.start()
    own = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_STATE_HOME": str(tmp_path / "state")}

    def printed(*arguments: object, typed: str | None = None) -> str:
        given = environment(E2E3D_URL=service.url, **own)
        done = subprocess.run(
            command(*arguments), env=given, cwd=ROOT, input=typed, capture_output=True, text=True, timeout=1500
        )
        assert done.returncode == 0, done.stderr + service.log()
        return done.stdout.strip()

    printed("login", "--url", service.url, "--email", EMAIL, "--password-stdin", typed=PASSWORD)
    image_set = printed("upload", sample_set / "images")
    changes = [part for setting in SMALL for part in ("--set", setting)]
    with Client(service.url) as client:
        client.sign_in(EMAIL, PASSWORD, keep=False)
        signed = Webhook(client.job_webhook_secret())
    told: list[dict[str, Any]] = []
    with receiving(lambda message: told.append(signed.verify(message.body, message.headers))) as receiver:
        job = printed("submit", image_set, "--quality", "preview", "--webhook", receiver.url(), *changes)
        events = [json.loads(line) for line in printed("watch", job, "--json").splitlines()]
        assert events[-1]["type"] == "job.succeeded"
        assert any(event["type"] == "job.progress" and event["data"]["progress"] > 0 for event in events)
        wait_for(lambda: len(told) == 3, 60)
    assert {message["type"] for message in told} == {"job.queued", "job.running", "job.succeeded"}
    assert {message["data"]["job_id"] for message in told} == {job}
    paths = printed("download", job, "-o", tmp_path / "out").splitlines()
    assert {"model.glb", "report.html", "manifest.json"} <= {Path(path).name for path in paths}
    assert (tmp_path / "out" / "model.glb").read_bytes()[:4] == b"glTF"
    the_curl_example_makes_a_model(service, sample_set, tmp_path)
    printed("delete", job)
    service.stop()


def the_curl_example_makes_a_model(service: RunningService, sample_set: Path, tmp_path: Path) -> None:
    """As it is written in the documents, on the photographs of somebody who tries it."""
    (script,) = re.findall(r"^```bash\n(.*?)^```", (ROOT / "docs/api.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "photographs").symlink_to(sample_set / "images")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=os.environ | {"E2E3D_URL": service.url, "PASSWORD": PASSWORD},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr + done.stdout[-3000:] + service.log()
    assert "event: job.succeeded" in done.stdout
    assert (tmp_path / "model.glb").read_bytes()[:4] == b"glTF"
