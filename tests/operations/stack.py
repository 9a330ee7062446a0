"""The whole stack as an operator starts it: ``python -m cluster.test up``, and what is asked of it and done to it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.command import ROOT, wait_for

_UP_S = 900.0
OF_STAND_INS = {"minio": [range(9327, 9328), range(19000, 19001)]}
"""SeaweedFS has its metrics and its own control on ports that MinIO does not have."""


class RunningStack:
    """A stack that runs; `started_s` is how long it took to come up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started_s = 0.0

    def command(self, *words: str, timeout_s: float = 120.0) -> str:
        """Run ``python -m cluster.test …`` for this stack."""
        what, *rest = words
        done = subprocess.run(
            [sys.executable, "-m", "cluster.test", what, str(self.folder), *rest],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        assert done.returncode == 0, f"{done.stdout}{done.stderr}{self.logs()}"
        return done.stdout

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        return state

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text().strip()

    def logs(self) -> str:
        """The end of what the containers said that are not well."""
        with contextlib.suppress(FileNotFoundError):
            unwell = [name for name, each in self.state()["containers"].items() if not each["healthy"]]
            files = [self.folder / "logs" / f"{name}.log" for name in unwell]
            return "\n".join(f"== {file.stem}\n{file.read_text()[-1500:]}" for file in files if file.exists())
        return ""

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "secrets" / "tls.crt"))

    def client(self, **options: Any) -> httpx.Client:
        """Somebody outside, who trusts the certificate."""
        return httpx.Client(base_url=self.state()["url"], verify=self.trust(), timeout=60.0, **options)

    def processes(self, container: str, title: str = "") -> list[psutil.Process]:
        """The processes in a container whose command line contains `title`."""
        first = self.state()["containers"][container]["pid"]
        found = []
        with contextlib.suppress(psutil.Error):
            top = psutil.Process(first)
            for process in [top, *top.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    if title in " ".join(process.cmdline()):
                        found.append(process)
        return found

    def kill(self, container: str) -> None:
        """Let a whole container crash."""
        os.kill(self.state()["containers"][container]["pid"], signal.SIGKILL)

    def restarts(self, container: str) -> int:
        return int(self.state()["containers"][container]["restarts"])

    def wait_until_well(self, container: str, timeout_s: float = 300.0) -> None:
        wait_for(lambda: self.state()["containers"][container]["healthy"], timeout_s)

    def ports(self, container: str) -> set[int]:
        """The ports on which it is reached by others."""
        said = self.inside(container, "ss", "--listening", "--tcp", "--udp", "--numeric", "--no-header").stdout
        places = [line.split()[4].rpartition(":") for line in said.splitlines()]
        return {int(port) for host, _, port in places if not host.strip("[]").startswith(("127.", "::1"))}

    def address(self, container: str) -> str:
        return str(self.state()["containers"][container]["address"])

    def inside(self, container: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the network of a container, with the machine's programs."""
        pid = str(self.state()["containers"][container]["pid"])
        return subprocess.run(
            ["nsenter", f"--target={pid}", "--net", *command], capture_output=True, text=True, timeout=60
        )


@contextlib.contextmanager
def running_stack(*services: str) -> Iterator[RunningStack]:
    """A stack with these services and what they depend on, or with all; it is taken down in the end."""
    folder = Path(tempfile.mkdtemp(prefix="e2e3d-stack-", dir="/var/tmp"))
    running = RunningStack(folder)
    try:
        chosen = ("--services", ",".join(services))
        said = running.command("up", "--timeout", str(_UP_S), *chosen, timeout_s=_UP_S + 60)
        running.started_s = float(said.split(" after ")[1].split(" s:")[0])
        yield running
    finally:
        running.command("down")
        shutil.rmtree(folder, ignore_errors=True)


def listed_ports() -> dict[str, list[range]]:
    """What docs/security.md says that each container listens on, for others than itself."""
    text = (ROOT / "docs" / "security.md").read_text("utf-8")
    table = text.partition("## What listens where")[2].partition("\n## ")[0]
    found: dict[str, list[range]] = {}
    for containers, first, last in re.findall(r"^\| ([a-z, -]+?) \| (\d+)(?:-(\d+))? \|", table, re.MULTILINE):
        for name in containers.split(", "):
            found.setdefault(name, []).append(range(int(first), int(last or first) + 1))
    return found


def wrong_ports(stack: RunningStack) -> dict[str, set[int]]:
    """Ports that containers listen on and the table does not name, and those of the table that nothing listens on."""
    listed = listed_ports()
    wrong: dict[str, set[int]] = {}
    for name, each in stack.state()["containers"].items():
        if each["pid"] is None:  # it has done its work
            continue
        known = listed.get(name, []) + OF_STAND_INS.get(name, [])
        ports = stack.ports(name)
        unknown = {port for port in ports if not any(port in some for some in known)}
        silent = {some[0] for some in known if len(some) == 1 and some[0] not in ports}
        if unknown | silent:
            wrong[name] = unknown | silent
    return wrong
