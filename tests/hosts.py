"""Several hosts on one machine: namespaces with a network address, processes and files of their own, and links to cut.

They share what is installed (the repository, the virtual environment) and a bridge with the test itself. Needs root.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.test.network import add_space, ip

_SUBNET = "10.77.{}.{}"
_FIRST_COMMAND = (
    'hostname "$NAME" && mount -t tmpfs -o size=1g tmpfs /dev/shm && mkdir -p /tmp/ray '
    '&& mount --bind "$FOLDER" /tmp/ray && mkdir -p /tmp/ray/tmp /tmp/ray/home '
    # ssh asks the list of users for the home, whatever HOME says
    "&& sed 's,^\\(root:.*\\):[^:]*:\\([^:]*\\)$,\\1:/tmp/ray/home:\\2,' /etc/passwd > /tmp/ray/passwd "
    '&& mount --bind /tmp/ray/passwd /etc/passwd && exec "$@"'
)


def require_namespaces() -> None:
    """Skip the test, with a reason, where this machine makes no hosts."""
    if os.getuid() != 0:
        pytest.skip("hosts of their own need root, who may make network namespaces")
    probe = ["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no namespaces")


class Host:
    """One host. Its ``/tmp/ray``, where Ray and the home of its user are, and its ``/dev/shm`` are nobody else's."""

    def __init__(self, name: str, address: str, link: str) -> None:
        self.name = name
        self.address = address
        self.folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir="/tmp"))
        self.home = self.folder / "home"
        self.home.mkdir()
        self._link = link
        self._first: subprocess.Popen[bytes] | None = None

    def boot(self, *command: str, **environment: str) -> None:
        """Start the host with its first process; when that ends, all others end with it."""
        assert self._first is None
        inside = ["unshare", "--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"]
        own = {"NAME": self.name, "FOLDER": str(self.folder), "HOME": "/tmp/ray/home", "TMPDIR": "/tmp/ray/tmp"}
        with (self.folder / "first.log").open("ab") as log:
            self._first = subprocess.Popen(
                ["ip", "netns", "exec", self.name, *inside, "bash", "-c", _FIRST_COMMAND, "_", *command],
                env=os.environ | own | environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Switch the host off."""
        if self._first is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._first.pid, signal.SIGKILL)
            self._first.wait()
            self._first = None

    def cut(self) -> None:
        """Take its link down."""
        ip("link", "set", self._link, "down")

    def join(self) -> None:
        """Bring its link up again."""
        ip("link", "set", self._link, "up")


class Hosts:
    """A bridge with so many hosts; the test itself is at :attr:`here`."""

    def __init__(self, count: int) -> None:
        self._mark = uuid.uuid4().hex[:6]
        third = int(self._mark[:2], 16) % 250 + 1  # two tests at a time must not share a subnet
        self._bridge = f"br{self._mark}"
        self.here = _SUBNET.format(third, 254)
        ip("link", "add", self._bridge, "type", "bridge")
        ip("addr", "add", f"{self.here}/24", "dev", self._bridge)
        ip("link", "set", self._bridge, "up")
        self.hosts = [self._add(number, _SUBNET.format(third, number + 1)) for number in range(count)]

    def _add(self, number: int, address: str) -> Host:
        name, link = f"h{self._mark}-{number}", f"p{self._mark}{number}"
        add_space(name, link, self._bridge, address)
        ip("-n", name, "route", "add", "default", "via", self.here)  # without one Ray takes 127.0.0.1 for its address
        return Host(name, address, link)

    def close(self) -> None:
        for host in self.hosts:
            host.kill()
            ip("netns", "del", host.name)
            shutil.rmtree(host.folder, ignore_errors=True)
        ip("link", "del", self._bridge)


@contextlib.contextmanager
def hosts(count: int) -> Iterator[Hosts]:
    """So many hosts, not booted yet."""
    require_namespaces()
    made = Hosts(count)
    try:
        yield made
    finally:
        made.close()
