"""All containers of the Compose file, started in order and kept running until they are told to end."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from cluster.test.compose_services import Mount, Service, read_compose
from cluster.test.container import Container, programs
from cluster.test.images import ROOT, image_of
from cluster.test.network import Network
from e2e3d.errors import MachineError, SettingsError

COMPOSE = ROOT / "cluster" / "compose" / "compose.yaml"
STAND_IN = {"targets": ["minio:9327"], "labels": {"__metrics_path__": "/metrics"}}
"""Where SeaweedFS has its metrics."""
_LOOK_S = 0.5
_DASHBOARDS = ("RAY", "PROMETHEUS", "ALERTMANAGER", "GRAFANA", "AIRFLOW")


class Stack:
    """The containers in `folder`, with what they keep and say.

    Args:
        folder: where volumes, secrets and logs lie.
        variables: of the Compose file, such as ``REPLICAS``.
        wanted: services to start, with those that they depend on; all of them if there are none.
    """

    def __init__(self, folder: Path, variables: dict[str, str], wanted: tuple[str, ...] = ()) -> None:
        self.folder = folder
        mark = secrets.token_hex(2)
        while mark[:2] in {taken[:2] for taken in Network.taken()}:
            mark = secrets.token_hex(2)
        self.network = Network(mark)
        given = {"SUBNET": self.network.subnet, "SECRETS": str(folder / "secrets"), **variables}
        names = list(read_compose(COMPOSE, given, folder / "volumes"))
        self.public = f"{self.network.address(names.index('nginx'))}:8443"
        self.services = read_compose(COMPOSE, given | {"HOST": self.public}, folder / "volumes")
        self.containers: dict[str, Container] = {}
        chosen = _with_dependencies(self.services, wanted or tuple(self.services))
        for number, (name, service) in enumerate(self.services.items()):
            image = image_of(service.image)
            if image is not None and name in chosen:
                environment = self._adapted(service)
                self.containers[name] = Container(
                    self._with_mounts(service), image, self.network, number, folder, environment
                )
        self._require_programs()

    def _adapted(self, service: Service) -> dict[str, str]:
        """What names nothing of this machine: there is no server of names, which nginx asks for those of dashboards."""
        environment = dict(service.environment)
        if service.name == "nginx":
            numbers = {name: number for number, name in enumerate(self.services)}
            for variable in _DASHBOARDS:
                host, _, port = environment[variable].partition(":")
                there = host in numbers and image_of(self.services[host].image) is not None
                environment[variable] = f"{self.network.address(numbers[host])}:{port}" if there else ""
            environment |= {"RESOLVER": "127.0.0.1", "WORKERS": "1"}
        if service.image.startswith("e2e3d:"):
            environment["PYTHONPATH"] = str(ROOT)
        return environment

    def _with_mounts(self, service: Service) -> Service:
        """Prometheus with the targets of the repository, but for S3; SeaweedFS with the keys of all users."""
        mounts = service.mounts
        if service.name == "prometheus":
            targets = self.folder / "targets"
            mounts = tuple(Mount(targets, m.target, False) if m.source.name == "targets" else m for m in mounts)
        if service.name == "minio":
            keys = [f"{user}_{part}" for user in ("s3", "s3_backup") for part in ("key", "secret")]
            mounts += tuple(Mount(self.folder / "secrets" / key, f"/run/secrets/{key}", False) for key in keys)
        return dataclasses.replace(service, mounts=mounts)

    def _require_programs(self) -> None:
        wanted = dict(container.image.program for container in self.containers.values())
        missing = {package for program, package in wanted.items() if shutil.which(program, path=programs()) is None}
        if missing:
            raise MachineError(
                "programs-missing",
                f"Programs of the stack are not installed: {', '.join(sorted(missing))}.",
                "Run scripts/setup.sh dev, which installs them.",
            )

    def prepare(self) -> None:
        """Make secrets, targets, names and the network."""
        secrets_script = ["sh", str(ROOT / "cluster" / "secrets.sh"), str(self.folder / "secrets")]
        host = self.public.rpartition(":")[0]
        subprocess.run(secrets_script, check=True, capture_output=True, env=os.environ | {"HOST": host})
        shutil.copytree(ROOT / "cluster" / "prometheus" / "targets", self.folder / "targets", dirs_exist_ok=True)
        (self.folder / "targets" / "s3.yml").write_text(yaml.safe_dump([STAND_IN]))
        lines = ["127.0.0.1 localhost"]
        for name, container in self.containers.items():
            lines.append(f"{container.address} {' '.join((name, *container.service.aliases))}")
        (self.folder / "hosts").write_text("\n".join(lines) + "\n")
        for service in self.services.values():
            self._make_volumes(service)
        self._give_kernels()
        self.network.open()
        for container in self.containers.values():
            self.network.add(container.number)

    def _make_volumes(self, service: Service) -> None:
        """A new volume belongs to who writes into it, as the folder in its image does."""
        image = image_of(service.image)
        for mount in service.mounts:
            if image is not None and mount.writable and not mount.source.exists():
                mount.source.mkdir(parents=True)
                os.chown(mount.source, *map(int, (service.user or image.user).split(":")))

    def _give_kernels(self) -> None:
        """The kernels that this machine has compiled, so that the first job need not wait for them."""
        from e2e3d.runtime.kernel_cache import source_digest

        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "e2e3d-kernels"
        compiled = cache / source_digest(ROOT / "e2e3d" / "ops")
        for name in {"worker", "api"} & self.containers.keys():
            uid, gid = map(int, self.containers[name].user.split(":"))
            home = self.folder / "volumes" / name
            copy = home / "cache" / cache.name / compiled.name
            if compiled.is_dir() and not copy.exists():
                shutil.copytree(compiled, copy)
                for path in (home, *home.rglob("*")):
                    os.chown(path, uid, gid)

    def _may_start(self, container: Container) -> bool:
        for name, healthy in container.service.depends_on.items():
            other = self.containers.get(name)
            if other is not None and not (other.healthy if healthy else other.runs):
                return False
        return True

    def write_state(self, ready: bool) -> None:
        """Tell everybody else how it is, in ``state.json``."""
        state = {
            "url": f"https://{self.public}",
            "subnet": self.network.subnet,
            "network": self.network.mark,
            "supervisor": os.getpid(),
            "ready": ready,
            "containers": {name: _state(container) for name, container in self.containers.items()},
            "left_out": [name for name, service in self.services.items() if image_of(service.image) is None],
        }
        new = self.folder / "state.json.new"
        new.write_text(json.dumps(state, indent=1))
        new.replace(self.folder / "state.json")

    def run(self) -> None:
        """Start everything, and keep it running until a signal ends this process."""
        ending = False

        def end(number: int, frame: FrameType | None) -> None:
            nonlocal ending
            ending = True

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        started: set[str] = set()
        try:
            self.prepare()
            while not ending:
                for name, container in self.containers.items():
                    if name in started:
                        container.watch()
                    elif self._may_start(container):
                        container.start()
                        started.add(name)
                self.write_state(all(container.healthy for container in self.containers.values()))
                time.sleep(_LOOK_S)
        finally:
            self.close()

    def close(self) -> None:
        """End everything, what is asked first last; what they kept stays in `folder`."""
        for container in reversed(self.containers.values()):
            container.stop()
        deadline_s = time.monotonic() + max(container.service.stop_s for container in self.containers.values())
        for container in reversed(self.containers.values()):
            limit_s = min(container.service.stop_s, deadline_s - time.monotonic())
            container.remove(max(limit_s, 0.0))
        self.network.close(len(self.services))


def _with_dependencies(services: dict[str, Service], wanted: tuple[str, ...]) -> set[str]:
    unknown = set(wanted) - services.keys()
    if unknown:
        known = f"Services are {', '.join(services)}."
        raise SettingsError("service-unknown", f"There is no service {', '.join(sorted(unknown))}.", known)
    found: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in services and name not in found:
            found.add(name)
            waiting.extend(services[name].depends_on)
    return found


def _state(container: Container) -> dict[str, Any]:
    return {
        "address": container.address,
        "pid": container.pid,
        "healthy": container.healthy,
        "restarts": container.restarts,
        "user": container.user,
    }


def read_state(folder: Path) -> dict[str, Any] | None:
    """What the stack in a folder says of itself; None when none runs there."""
    with contextlib.suppress(FileNotFoundError):
        state: dict[str, Any] = json.loads((folder / "state.json").read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(state["supervisor"], 0)
            return state
    return None


def up(folder: Path, timeout_s: float, variables: dict[str, str], wanted: tuple[str, ...] = ()) -> dict[str, Any]:
    """Start the stack in the background, and wait until everything is well; returns its state.

    Raises:
        MachineError: ``stack-runs``, ``programs-missing``, ``not-root``, ``stack-failed``.
    """
    if read_state(folder) is not None:
        raise MachineError(
            "stack-runs", f"A stack runs in {folder} already.", "End it with: python -m cluster.test down"
        )
    if os.getuid() != 0 or sys.platform != "linux":
        raise MachineError("not-root", "Namespaces are made by root, on Linux.", "Run it as root: sudo …")
    Stack(folder, variables, wanted)  # what is missing is said here
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "supervisor.log").open("ab") as log:
        given = [f"{name}={value}" for name, value in variables.items()]
        process = subprocess.Popen(
            [sys.executable, "-m", "cluster.test", "supervise", str(folder), *given, "--services", ",".join(wanted)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline_s = time.monotonic() + timeout_s
    while True:
        state = read_state(folder)
        if state is not None and state["supervisor"] == process.pid and state["ready"]:
            return state
        if process.poll() is not None or time.monotonic() > deadline_s:
            waits = [] if state is None else [name for name, each in state["containers"].items() if not each["healthy"]]
            if process.poll() is None:
                process.terminate()
                process.wait()
            raise MachineError(
                "stack-failed",
                f"Not everything came up within {timeout_s:.0f} s: {', '.join(waits) or 'nothing began'}.",
                f"Read {folder}/logs and {folder}/supervisor.log.",
            )
        time.sleep(0.2)


def down(folder: Path) -> bool:
    """End the stack of a folder; False when none runs there."""
    state = read_state(folder)
    if state is None:
        return False
    os.kill(state["supervisor"], signal.SIGTERM)
    while read_state(folder) is not None:
        time.sleep(0.2)
    return True
