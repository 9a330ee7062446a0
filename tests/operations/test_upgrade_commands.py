"""The commands by which docs/upgrade.md has a new version take the place of the old one, run as they stand there."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from tests.cluster_files.front import Front
from tests.cluster_files.upstream import Upstream
from tests.command import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.operations, pytest.mark.timeout(300)]


def switch_as_documented(port: int, named: Path) -> None:
    """Run them, with the port of the new version and the file that names the service."""
    (commands,) = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs/upgrade.md").read_text("utf-8"), re.M | re.S)
    here = commands.replace(":8001", f":{port}").replace("/etc/e2e3d/api", str(named))
    done = subprocess.run(["sh", "-euc", here], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_no_request_is_refused_while_they_run_and_the_old_version_ends() -> None:
    old, new = Upstream(), Upstream()
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)  # nginx runs as another user
    (folder / "api").write_text(f"127.0.0.1:{old.port}\n")
    front = Front("nobody:1", API_FILE=str(folder / "api"), EVERY_S="10")  # as it looks for changes in production
    answers: list[int] = []
    end = threading.Event()

    def ask() -> None:
        with front.client() as client:
            while not end.wait(0.02):
                answers.append(client.get("/v1/jobs").status_code)

    asking = threading.Thread(target=ask)
    for each in (old, new, front):
        each.start()
    try:
        asking.start()
        switch_as_documented(new.port, folder / "api")
        assert front.log()[-1]["upstream"] == f"127.0.0.1:{new.port}"
        old.stop()
        before = len(answers)
        while len(answers) < before + 20 and asking.is_alive():
            end.wait(0.05)
    finally:
        end.set()
        asking.join()
        front.stop()
        new.stop()
        shutil.rmtree(folder)
        shutil.rmtree(front.folder)
    print(f"{len(answers)} requests")
    assert len(answers) > 100
    assert set(answers) == {200}
