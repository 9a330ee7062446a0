"""``ray up cluster.yaml`` on hosts of the test's own: each runs an sshd, as a machine in a rack does."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

import yaml

from e2e3d.config.deployment.s3 import S3Options
from tests.command import ROOT, environment
from tests.hosts import Host, Hosts
from tests.servers import program

_PROGRAMS = Path(sys.executable).parent
_HOME = "/tmp/ray/home"


class SshCluster:
    """The cluster of ``cluster.yaml``: the first host is its head. What a user fills in is filled in here.

    Nothing is installed from a registry: hosts find the virtual environment of the test where the set-up script would
    have made it. All else of the file is as it stands.
    """

    def __init__(self, hosts: Hosts, s3: S3Options, cores: int = 1) -> None:
        self.hosts = hosts.hosts
        self.head = self.hosts[0]
        self._cores = cores
        self._folder = Path(tempfile.mkdtemp(prefix="e2e3d-operator-", dir="/tmp"))
        self._key = self._folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._key], check=True)
        self._s3 = s3
        self.config = self._folder / "cluster.yaml"
        self.config.write_text(self._filled_in())
        self.environment = environment(
            HOME=str(self._folder),
            RAY_TMPDIR=str(self._folder),
            RAY_AUTH_MODE="token",
            PATH=f"{_PROGRAMS}:{os.environ['PATH']}",
        )
        self.ray("get-auth-token", "--generate")
        for host in self.hosts:
            self.boot(host)

    def _filled_in(self) -> str:
        text = (ROOT / "cluster.yaml").read_text()
        config = yaml.safe_load(text)
        config["cluster_name"] = f"test-{uuid.uuid4().hex[:8]}"
        config["provider"]["head_ip"] = self.head.address
        config["provider"]["worker_ips"] = [host.address for host in self.hosts[1:]]
        config["auth"] = {"ssh_user": "root", "ssh_private_key": str(self._key)}
        config["setup_commands"] = []
        for commands in ("head_start_ray_commands", "worker_start_ray_commands"):
            sized = f"ray start --num-cpus={self._cores} --object-store-memory=100000000"
            config[commands][-1] = config[commands][-1].replace("ray start", sized)
        return yaml.safe_dump(config)

    def boot(self, host: Host) -> None:
        """Switch a host on: it runs an sshd, and lets the operator in."""
        Path("/run/sshd").mkdir(exist_ok=True)
        (host.home / ".ssh").mkdir(exist_ok=True)
        shutil.copy(self._key.with_suffix(".pub"), host.home / ".ssh" / "authorized_keys")
        (host.home / "e2e3d").mkdir(exist_ok=True)
        if not (host.home / "e2e3d" / ".venv").exists():
            (host.home / "e2e3d" / ".venv").symlink_to(_PROGRAMS.parent)
        host_key = host.folder / "host_key"
        if not host_key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host_key], check=True)
        known = {
            "HOME": _HOME,
            "TMPDIR": "/tmp/ray/tmp",
            "PYTHONPATH": str(ROOT),
            "XDG_CACHE_HOME": str(Path("~/.cache").expanduser()),  # compiled kernels, as the set-up script leaves them
            "E2E3D_S3_ENDPOINT": self._s3.endpoint,
            "E2E3D_S3_KEY": self._s3.key,
            "E2E3D_S3_SECRET": self._s3.secret,
        }
        lines = [
            "Port 22",
            "HostKey /tmp/ray/host_key",
            f"AuthorizedKeysFile {_HOME}/.ssh/authorized_keys",
            "PasswordAuthentication no",
            "StrictModes no",
            "UsePAM no",
            "SetEnv " + " ".join(f"{name}={shlex.quote(str(value))}" for name, value in known.items()),
        ]
        (host.folder / "sshd_config").write_text("\n".join(lines) + "\n")
        host.boot(program("sshd", Path("/usr/sbin")), "-D", "-e", "-f", "/tmp/ray/sshd_config")

    def ray(self, *arguments: str, timeout_s: float = 300.0) -> str:
        """Run ``ray ARGUMENTS`` as the operator, in the folder of the repository; returns what it printed."""
        done = self.try_ray(*arguments, timeout_s=timeout_s)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def try_ray(self, *arguments: str, timeout_s: float = 300.0) -> subprocess.CompletedProcess[str]:
        """Like :meth:`ray`, whatever the exit code."""
        command = [str(_PROGRAMS / "ray"), *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def up(self) -> str:
        return self.ray("up", "--yes", "--no-config-cache", str(self.config))

    def submit(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m e2e3d.batch ARGUMENTS`` as a job of the cluster to its end, with `folder` as working folder.

        The dashboard listens on the head only, so the operator's command runs there, as through ``ray attach``.
        """
        shutil.copytree(folder, self.head.home / folder.name, dirs_exist_ok=True)
        command = [
            "ray",
            "job",
            "submit",
            "--working-dir",
            folder.name,
            "--",
            "python",
            "-m",
            "e2e3d.batch",
            *arguments,
        ]
        return self.on_head(command)

    def on_head(self, command: Sequence[str], timeout_s: float = 1200.0) -> subprocess.CompletedProcess[str]:
        """Run a command on the head over ssh, in the home of its user."""
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        line = f"cd ~ && export PATH=~/e2e3d/.venv/bin:$PATH RAY_AUTH_MODE=token && {shlex.join(command)}"
        ssh = ["ssh", "-i", str(self._key), *options, f"root@{self.head.address}", line]
        return subprocess.run(ssh, capture_output=True, text=True, timeout=timeout_s, check=False)

    def down(self) -> str:
        return self.ray("down", "--yes", str(self.config))

    def wait_for_machines(self, count: int, timeout_s: float = 400.0) -> None:
        """Return once the head knows so many machines to be alive."""
        code = f"""if True:
            import ray, sys, time
            ray.init(address="auto", logging_level="ERROR", log_to_driver=False)
            deadline_s = time.monotonic() + {timeout_s}
            while (alive := sum(node["Alive"] for node in ray.nodes())) != {count}:
                if time.monotonic() > deadline_s:
                    sys.exit(f"{{alive}} machines are alive, not {count}")
                time.sleep(0.2)
        """
        done = self.on_head(["python", "-c", code])
        assert done.returncode == 0, done.stdout + done.stderr

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
