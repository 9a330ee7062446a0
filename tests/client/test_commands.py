"""The commands as a user gives them, against a real service whose runner the tests play."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from e2e3d.client.display import job_display, size, time_range
from e2e3d.client.models import Event
from e2e3d.data.judgement import Judgement, Reason
from e2e3d.errors import ReconstructionError
from e2e3d.service.jobs.lifecycle import JobTransition
from tests.client.typed import command, printed
from tests.live import EMAIL, PASSWORD, LiveService


@pytest.mark.slow
def test_from_photographs_to_results(signed_in: LiveService, photographs: Path, tmp_path: Path) -> None:
    image_set = printed("upload", photographs)
    again = command("upload", photographs)
    assert again.stdout.strip() == image_set  # the same photographs, the same set
    assert "4 already there; 0 B sent" in again.stderr
    assert printed("upload", photographs, "--new") != image_set
    job = printed("submit", image_set, "--quality", "preview", "--set", "depth.max_size_px=320", "--name", "mine")
    assert job in printed("list", "--state", "queued")
    assert image_set in printed("list", "--sets")
    fence = signed_in.begin(job)
    signed_in.result(fence, "model.glb", b"model")

    signed_in.end(fence)
    watched = command("watch", job)
    assert watched.exit_code == 0
    assert "succeeded" in watched.stderr
    assert printed("download", job, "-o", tmp_path / "out") == str(tmp_path / "out" / "model.glb")
    assert (tmp_path / "out" / "model.glb").read_bytes() == b"model"
    assert command("delete", job).exit_code == 0
    assert command("delete", "--sets", image_set).exit_code == 0
    assert job not in printed("list")
    assert printed("upload", photographs) != image_set  # its set has gone


@pytest.mark.slow
def test_a_doubtful_model_is_never_called_ready_without_its_reasons(signed_in: LiveService, photographs: Path) -> None:
    job = printed("submit", printed("upload", photographs), "--quality", "preview")
    judgement = Judgement("doubtful", (Reason("imprecise", "Points lie 2 pixels off.", "Keep the focus fixed."),))
    signed_in.end(signed_in.begin(job), judgement=judgement)
    watched = command("watch", job)
    assert watched.exit_code == 0
    assert "succeeded, doubtful" in watched.stderr
    assert "ready, but doubtful" in watched.stderr
    assert "[imprecise] Points lie 2 pixels off." in watched.stderr
    assert "Keep the focus fixed." in watched.stderr
    listed = next(line for line in printed("list").splitlines() if job in line)
    assert "doubtful" in listed
    assert "succeeded" not in listed


def test_json_is_for_programs(signed_in: LiveService, photographs: Path, tmp_path: Path) -> None:
    report = json.loads(printed("upload", photographs, "--json"))
    assert report["added"] + report["known"] == 4
    job = json.loads(printed("submit", report["image_set"]["id"], "--quality", "preview", "--json"))
    fence = signed_in.begin(job["id"])
    signed_in.result(fence, "report.html", b"<html>")
    signed_in.end(fence)
    events = [json.loads(line) for line in printed("watch", job["id"], "--json").splitlines()]
    assert [event["type"] for event in events] == ["job.queued", "job.running", "job.succeeded"]
    listed: list[dict[str, Any]] = json.loads(printed("list", "--json", "--limit", 1))
    assert [one["id"] for one in listed] == [job["id"]]
    paths = json.loads(printed("download", job["id"], "-o", tmp_path / "out", "--file", "report.html", "--json"))
    assert paths == [str(tmp_path / "out" / "report.html")]


def test_a_job_without_a_model_ends_the_watch_with_its_reason(signed_in: LiveService, photographs: Path) -> None:
    job = printed("submit", printed("upload", photographs), "--quality", "preview")
    signed_in.end(
        signed_in.begin(job), JobTransition.REFUSED, ReconstructionError("no-pair", "Nothing matches.", "Help.")
    )
    done = command("watch", job)
    assert done.exit_code == 4
    assert "Error [no-pair]: Nothing matches.\n  Help." in done.stderr


def test_cancel_says_when_the_work_has_stopped(signed_in: LiveService, photographs: Path) -> None:
    image_set = printed("upload", photographs)
    queued = printed("submit", image_set, "--quality", "preview")
    assert "The job is cancelled." in command("cancel", queued).stderr
    running = printed("submit", image_set, "--quality", "preview")
    fence = signed_in.begin(running)
    assert "asked to stop" in command("cancel", running, "--no-wait").stderr
    stopper = threading.Timer(0.5, signed_in.end, (fence, JobTransition.STOPPED))
    stopper.start()
    assert "The job is cancelled." in command("cancel", running).stderr
    stopper.join()


def test_exit_codes_tell_what_went_wrong(
    signed_in: LiveService, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = "00000000-0000-0000-0000-000000000000"
    assert command("watch", nobody).exit_code == 8
    assert command("upload", photographs / "missing").exit_code == 3
    assert command("submit", nobody, "--set", "depth.max_size_px").exit_code == 2
    assert command("upload", photographs, "--to", nobody).exit_code == 8
    wrong = command("login", "--url", signed_in.url, "--email", EMAIL, "--password-stdin", typed="wrong\n")
    assert (wrong.exit_code, PASSWORD in wrong.output) == (7, False)
    assert command("list", "--url", "ftp://somewhere").exit_code == 2
    assert command("logout").exit_code == 0
    assert command("list", "--url", signed_in.url).exit_code == 7
    monkeypatch.setenv("E2E3D_API_KEY", signed_in.key)
    assert command("list", "--url", signed_in.url).exit_code == 0


def test_progress_without_a_terminal_is_a_line_for_each_stage() -> None:
    stream = io.StringIO()
    data = {"stage": "depth", "units_done": 1, "units_total": 2, "eta_low_s": 60.0, "eta_high_s": 180.0}
    with job_display(stream) as show:
        for kind, said in (("job.queued", {}), ("job.progress", data), ("job.progress", data | {"units_done": 2})):
            show(Event(id=1, type=kind, job_id="j", data=said))
        show(Event(id=2, type="job.succeeded", job_id="j", data={}))
    assert stream.getvalue() == "queued\ndepth 1/2, 1 to 3 min left\nsucceeded\n"


@pytest.mark.parametrize(
    ("low_s", "high_s", "text"),
    [(0, 0.2, "1 s"), (20, 50, "20 to 50 s"), (60, 180, "1 to 3 min"), (3600, 10800, "1 to 3 h"), (170, 175, "3 min")],
)
def test_time_ranges_are_for_people(low_s: float, high_s: float, text: str) -> None:
    assert time_range(low_s, high_s) == text


def test_sizes_are_for_people() -> None:
    assert [size(count) for count in (0, 999, 3_200_000, 5e13)] == ["0 B", "999 B", "3.2 MB", "50.0 TB"]
