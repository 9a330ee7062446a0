"""Logs of all processes lie in one place, by day, and are found by job; a real rsyslog takes them over TCP."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e3d.errors import MachineError
from e2e3d.runtime.collected_logs import collected_lines
from tests.command import ROOT, e2e3d, wait_for
from tests.servers import free_port, program

START = ROOT / "cluster" / "rsyslog" / "start.sh"


class Collector:
    """A collector on a port and in a folder of its own, and a shipper of the files below ``ray``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ray, self.port = folder / "logs", folder / "ray", free_port()
        self._work = folder / "work"
        self.environment = os.environ | {
            "E2E3D_LOG_PORT": str(self.port),
            "E2E3D_LOG_FOLDER": str(self.folder),
            "E2E3D_LOG_COLLECTOR": "127.0.0.1",
            "E2E3D_RAY_LOGS": f"{self.ray}/session_*/logs",
        }

    @contextlib.contextmanager
    def running(self, role: str) -> Iterator[None]:
        given = self.environment | {"E2E3D_LOG_WORK": str(self._work / role)}
        process = subprocess.Popen([START, role], env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)

    def send(self, text: str) -> None:
        """A line, as ``logger`` sends it."""
        where = [program("logger"), "-n", "127.0.0.1", "-P", str(self.port), "-T", "--rfc5424", "--octet-count"]
        subprocess.run([*where, "-t", "e2e3d", "--size", "64KiB"], input=text, text=True, check=True)

    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def messages(self, wanted: str | None = None) -> list[str]:
        try:
            return [str(line["message"]) for line in collected_lines(self.folder, wanted)]
        except MachineError:
            return []


@pytest.fixture
def collector(tmp_path: Path) -> Collector:
    program("rsyslogd", Path("/usr/sbin"))
    return Collector(tmp_path)


def line(message: str, **members: str) -> str:
    return json.dumps({"time": "2026-11-28T04:00:00.000+00:00", "level": "info", **members, "message": message}) + "\n"


@pytest.mark.slow
def test_lines_of_all_processes_are_kept_by_day_and_found_by_job(collector: Collector) -> None:
    collector.folder.mkdir()
    old = collector.folder / "e2e3d-2026-01-01.jsonl.gz"
    old.write_bytes(gzip.compress(b"{}\n"))
    long_ago = time.time() - 40 * 86400
    os.utime(old, (long_ago, long_ago))
    with collector.running("collector"):
        wait_for(collector.answers, 30)
        collector.send(line("it begins", process="runner", job="job-1", request="request-1"))
        collector.send(line("another one: ümläut\ttab", process="driver", job="job-2", level="warning"))
        collector.send("no JSON at all\n")
        collector.send(line("x" * 40_000, process="driver", job="job-3"))
        logs = collector.ray / "session_2026" / "logs"
        (logs / "serve").mkdir(parents=True)
        (logs / "serve" / "replica_api.log").write_text(line("of a replica", process="replica", job="job-1"))
        (logs / "raylet.out").write_text("[2026-11-28] raylet.cc: a node died\n")
        with collector.running("ray-node"):
            wait_for(lambda: len(collector.messages()) == 6, 30)
    assert not old.exists(), "30 days are kept"
    assert collector.messages("job-1") == ["it begins", "of a replica"]
    assert collector.messages("request-1") == ["it begins"]
    assert collector.messages("job-2") == ["another one: ümläut\ttab"]
    assert len(collector.messages("job-3")[0]) == 40_000
    assert {"no JSON at all", "[2026-11-28] raylet.cc: a node died"} <= set(collector.messages())
    (kept,) = collector.folder.iterdir()
    assert kept.stat().st_mode & 0o077 == 0

    said = e2e3d("admin", "logs", "job-2", "--folder", collector.folder)
    assert said.returncode == 0, said.stderr
    assert said.stdout.rstrip().endswith("warning driver   another one: ümläut\ttab  [job=job-2]")
    newest = e2e3d("admin", "logs", "--json", "--last", "1", "--level", "warning", "--folder", collector.folder)
    assert json.loads(newest.stdout)["job"] == "job-2"


def test_a_file_that_is_being_written_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = gzip.compress(line("first", job="a").encode()) + gzip.compress(line("second", job="a").encode())
    (tmp_path / "e2e3d-2026-11-27.jsonl.gz").write_bytes(whole[:-12])
    (tmp_path / "e2e3d-2026-11-28.jsonl.gz").write_bytes(gzip.compress(line("third", job="a").encode()))
    messages = [one["message"] for one in collected_lines(tmp_path, "a")]
    assert [message for message in messages if message != "second"] == ["first", "third"]


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    for arguments, code, words in (
        (["--folder", tmp_path], 5, "There are no collected logs"),
        (["--folder", tmp_path, "--level", "loud"], 2, "There is no level 'loud'"),
        (["--folder", tmp_path, "--since", "yesterday"], 2, "'yesterday' is no day"),
    ):
        done = e2e3d("admin", "logs", *arguments)
        assert (done.returncode, words in done.stderr) == (code, True), done.stderr
