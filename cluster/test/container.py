"""One container: a service of Compose with its image, in namespaces of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from cluster.test.compose_services import Mount, Service
from cluster.test.images import OTHER_PROGRAM, ROOT, Image
from cluster.test.network import Network

SCRIPT = Path(__file__).with_name("container.sh")
_STEADY_S = 10.0
_LONGEST_PAUSE_S = 60.0
_HEALTH_S = 5.0
_SPACES = ("--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc")


def programs() -> str:
    """The search path of the containers: this environment's programs first."""
    postgres = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return ":".join(map(str, [Path(sys.prefix) / "bin", *postgres[:1], "/usr/sbin", "/usr/bin", "/sbin", "/bin"]))


@dataclass
class Container:
    """A container with the number `number` in its network; started again whenever it ends, as Compose does.

    Attributes:
        restarts: how often it was started again.
        healthy: whether it said so when it was asked last; None before.
    """

    service: Service
    image: Image
    network: Network
    number: int
    folder: Path
    environment: dict[str, str]
    restarts: int = 0
    healthy: bool | None = None
    _outer: subprocess.Popen[bytes] | None = None
    _asked: subprocess.Popen[bytes] | None = None
    _asked_s: float = 0.0
    _started_s: float = 0.0
    _pause_s: float = 0.1
    _ended_s: float | None = None
    _mounts: list[Mount] = field(default_factory=list)

    @property
    def address(self) -> str:
        """In its network."""
        return self.network.address(self.number)

    @property
    def log(self) -> Path:
        """What it wrote on standard output and standard error."""
        return self.folder / "logs" / f"{self.service.name}.log"

    @property
    def user(self) -> str:
        """``uid:gid`` that it runs as."""
        return self.service.user or self.image.user

    @property
    def pid(self) -> int | None:
        """Of its first process; None while there is none."""
        if self._outer is None or self._outer.poll() is not None:
            return None
        with contextlib.suppress(OSError, IndexError):
            outer = self._outer.pid
            return int(Path(f"/proc/{outer}/task/{outer}/children").read_text().split()[0])
        return None

    @property
    def _other_program(self) -> bool:
        return self.service.image.rpartition(":")[0] in OTHER_PROGRAM

    @property
    def done(self) -> bool:
        """Whether it has done what it is there for, and will not run again."""
        return self.service.ends and self._outer is not None and self._outer.poll() == 0

    @property
    def runs(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._outer is not None and self._outer.poll() is None

    def start(self) -> None:
        """Start it for the first time, or again."""
        uid, gid = map(int, self.user.split(":"))
        mounts = [Mount(source, target, False) for target, source in self.image.files.items()]
        mounts += self.service.mounts
        temporary = {*self.service.temporary, *self.image.volumes} - {mount.target for mount in mounts}
        work = self.folder / "work" / self.service.name
        work.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(exist_ok=True)
        self.log.touch()
        os.chown(self.log, uid, gid)  # nginx opens /dev/stdout by its name
        own = {
            "NAME": self.service.name,
            "HOSTS": str(self.folder / "hosts"),
            "WORK": str(work),
            "KEPT": "\n".join(sorted({str(ROOT), sys.prefix, sys.base_prefix})),
            "TEMPORARY": " ".join(sorted(temporary)),
            "MOUNTS": "\n".join(f"{m.source}\t{m.target}\t{'rw' if m.writable else 'ro'}" for m in mounts),
            "SHM_SIZE": self.service.shm_size,
            "RUN_AS": self.user,
            "USER_NAME": self.service.name,
            "DIRECTORY": self.image.folder,
        }
        inside = ["ip", "netns", "exec", self.network.space(self.number), "unshare", *_SPACES]
        with self.log.open("ab") as log:
            self._outer = subprocess.Popen(
                [*inside, "bash", str(SCRIPT), *self._command()],
                env=self._variables() | own,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started_s, self._ended_s, self.healthy = time.monotonic(), None, None

    def _command(self) -> list[str]:
        entrypoint = self.image.entrypoint if self.service.entrypoint is None else self.service.entrypoint
        if self._other_program:
            return list(entrypoint)
        command = self.service.command or (self.image.command if self.service.entrypoint is None else ())
        return [*entrypoint, *command]

    def _variables(self) -> dict[str, str]:
        image = {name: value for name, value in self.image.environment.items() if name != "PATH"}
        return {"PATH": programs(), "HOME": image.get("E2E3D_HOME", "/tmp"), **image, **self.environment}

    def watch(self) -> None:
        """Start it again when it has ended, after a pause that grows as long as it does not stay; ask how it is."""
        now_s = time.monotonic()
        if self.done:
            self.healthy = True
        elif self.runs:
            self._ask(now_s)
        elif self._ended_s is None:
            self._end_question()
            self.healthy, self._ended_s = None, now_s
            self._pause_s = 0.1 if now_s - self._started_s > _STEADY_S else min(self._pause_s * 2, _LONGEST_PAUSE_S)
        elif now_s - self._ended_s > self._pause_s:
            self.restarts += 1
            self.start()

    def _ask(self, now_s: float) -> None:
        health = self.image.health if self._other_program or self.service.health is None else self.service.health
        pid = self.pid
        if not health or pid is None:
            self.healthy = None if health or self.service.ends else True
            return
        if self._asked is not None:
            code = self._asked.poll()
            if code is not None:
                self.healthy, self._asked = code == 0, None
            elif now_s - self._asked_s > _HEALTH_S:
                self._end_question()
                self.healthy = False
        elif now_s - self._asked_s > (_HEALTH_S if self.healthy else 1.0):
            self._asked_s = now_s
            self._asked = self.enter(*health)

    def _end_question(self) -> None:
        if self._asked is not None:
            self._asked.kill()
            self._asked.wait()
            self._asked = None

    def enter(self, *command: str) -> subprocess.Popen[bytes]:
        """Run a command inside, as its user, in the place of ``docker exec``."""
        spaces = ["nsenter", f"--target={self.pid}", "--pid", "--mount", "--net", "--uts", "--ipc", "--root", "--wd"]
        uid, gid = self.user.split(":")
        user = ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
        return subprocess.Popen(
            [*spaces, *user, *command],
            env=self._variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        """Ask it to end."""
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def remove(self, patience_s: float) -> None:
        """Wait until it has ended, and end it when it has not; what it kept stays."""
        self._end_question()
        if self._outer is not None:
            try:
                self._outer.wait(patience_s)
            except subprocess.TimeoutExpired:
                pid = self.pid
                if pid is not None:
                    os.kill(pid, signal.SIGKILL)
                self._outer.kill()
                self._outer.wait()
        shutil.rmtree(self.folder / "work" / self.service.name, ignore_errors=True)
