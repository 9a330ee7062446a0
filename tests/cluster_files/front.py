"""nginx as operators run it: ``cluster/nginx/start.sh``, on ports of its own, with a certificate made for the test."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import httpx
import trustme

from tests.command import ROOT, wait_for
from tests.servers import free_port, program

RAY_TOKEN = "token-of-ray-0123456789"
DASHBOARD_USER, DASHBOARD_PASSWORD = "operator", "a-password-of-tests"


class Front:
    """nginx in front of `api`; settings of ``render.sh`` by their names."""

    def __init__(self, api: str, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="e2e3d-front-"))
        self.https, self.http, self.status = free_port(), free_port(), free_port()
        self.authority = trustme.CA()
        self.certificate, self.key = self.folder / "tls.crt", self.folder / "tls.key"
        self.renew()
        passwords = self.folder / "passwords"
        said = ["openssl", "passwd", "-6", DASHBOARD_PASSWORD]
        hashed = subprocess.run(said, capture_output=True, text=True, check=True).stdout.strip()
        passwords.write_text(f"{DASHBOARD_USER}:{hashed}\n")
        token = self.folder / "ray_token"
        token.write_text(RAY_TOKEN)
        given = {
            "RAY_TOKEN_FILE": str(token),
            "FOLDER": str(self.folder / "nginx"),
            "NGINX_PROGRAM": program("nginx", Path("/usr/sbin")),
            "API": api,
            "LOG": str(self.folder / "access.log"),
            "CERTIFICATE": str(self.certificate),
            "CERTIFICATE_KEY": str(self.key),
            "PASSWORDS": str(passwords),
            "HTTP_LISTEN": f"127.0.0.1:{self.http}",
            "HTTPS_LISTEN": f"127.0.0.1:{self.https}",
            "HTTPS_SUFFIX": f":{self.https}",
            "STATUS_LISTEN": f"127.0.0.1:{self.status}",
            "ADDRESS_RATE": "5000",
            "ADDRESS_BURST": "5000",
            "TOKEN_RATE": "5000",
            "TOKEN_BURST": "5000",
            "EVERY_S": "0.2",
        }
        self._environment = os.environ | given | settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.https}"

    def renew(self) -> None:
        """A new certificate in place of the one that there is."""
        issued = self.authority.issue_cert("127.0.0.1", "localhost")
        issued.private_key_pem.write_to_path(str(self.key))
        if os.getuid() == 0:
            shutil.chown(self.key, "nobody")
        self.certificate.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))

    def start(self) -> None:
        script = str(self.folder / "scripts" / "start.sh")
        shutil.copytree(ROOT / "cluster" / "nginx", self.folder / "scripts", dirs_exist_ok=True)
        with (self.folder / "stderr").open("ab") as log:
            options = {"stdout": log, "stderr": log, "env": self._environment} | self._privileges()
            self._process = subprocess.Popen(["sh", script], **options)
        wait_for(self._answers, 30.0)

    def _privileges(self) -> dict[str, Any]:
        """As in the image, not as root: what root may read is no test of what nginx may."""
        if os.getuid() != 0:
            return {}
        for path in (self.folder, *self.folder.rglob("*")):
            shutil.chown(path, "nobody")
        return {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}

    def stop(self) -> None:
        """As a container is stopped: requests under way go on to their end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            assert self._process.wait(20.0) == 0, self.said()
            self._process = None

    def kill(self) -> None:
        """Let it crash: nginx's master, and the script ends with it."""
        assert self._process is not None
        os.kill(int((self.folder / "nginx" / "nginx.pid").read_text()), signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._process = None

    def reload(self) -> None:
        os.kill(int((self.folder / "nginx" / "nginx.pid").read_text()), signal.SIGHUP)

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, verify=self.trust(), timeout=30.0, **options)

    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    def connect(self, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.https), timeout=30.0)
        return (context or self.trust()).wrap_socket(plain, server_hostname="127.0.0.1")

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "access.log").read_text().splitlines()]

    def said(self) -> str:
        return (self.folder / "stderr").read_text(errors="replace")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.said()
        try:
            return httpx.get(f"http://127.0.0.1:{self.status}/health", timeout=5.0).status_code == 200
        except httpx.TransportError:
            return False
