"""Prometheus, Alertmanager and exporters with the repository's own configuration, on other ports and in a hurry.

Every duration of the rules is divided by :data:`HURRY`: otherwise the expressions are those of the files.
"""

from __future__ import annotations

import datetime
import re
import shutil
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import trustme
import yaml

from tests.command import ROOT, wait_for
from tests.servers import Server, free_port, program

CLUSTER = ROOT / "cluster"
HURRY = 15
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def hurried(rules: dict[str, Any]) -> dict[str, Any]:
    """The rules of a file with every duration divided."""
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        rule["expr"] = re.sub(r"\[(\w+)\]", lambda found: f"[{_shorter(found[1])}]", rule["expr"])
        if "for" in rule:
            rule["for"] = _shorter(rule["for"])
    return rules


def _shorter(duration: str) -> str:
    return f"{int(duration[:-1]) * _UNITS_S[duration[-1]] // HURRY}s"


class WebServer(Server):
    """A server that answers HTTP at `url`, and says at ``/-/healthy`` or its own path that it lives."""

    healthy = "/-/healthy"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def check(self) -> None:
        try:
            httpx.get(f"{self.url}{self.healthy}", timeout=5.0).raise_for_status()
        except httpx.HTTPError as error:
            raise OSError(str(error)) from error


class NodeExporter(WebServer):
    healthy = "/"

    def command(self) -> list[str]:
        return [program("prometheus-node-exporter"), f"--web.listen-address=127.0.0.1:{self.port}"]


class BlackboxExporter(WebServer):
    def __init__(self, folder: Path, authority: Path) -> None:
        super().__init__(folder)
        config = yaml.safe_load((CLUSTER / "prometheus" / "blackbox.yml").read_text())
        config["modules"]["public"]["http"]["tls_config"] = {"ca_file": str(authority)}
        (folder / "blackbox.yml").write_text(yaml.safe_dump(config))

    def command(self) -> list[str]:
        listen = f"--web.listen-address=127.0.0.1:{self.port}"
        return [program("prometheus-blackbox-exporter"), f"--config.file={self.folder / 'blackbox.yml'}", listen]


class Alertmanager(WebServer):
    """Sends to the receiver at `url_of_receiver`, within seconds."""

    def __init__(self, folder: Path, url_of_receiver: str) -> None:
        super().__init__(folder)
        text = (CLUSTER / "alertmanager" / "alertmanager.yml").read_text()
        text = text.replace("http://alert-receiver:9095", url_of_receiver)
        (folder / "alertmanager.yml").write_text(re.sub(r"(group_\w+): \w+", r"\1: 1s", text))

    def command(self) -> list[str]:
        given = [f"--config.file={self.folder / 'alertmanager.yml'}", f"--storage.path={self.folder / 'data'}"]
        listen = [f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="]
        return [program("prometheus-alertmanager"), *given, *listen]


class Prometheus(WebServer):
    """Scrapes `targets`, the files of ``cluster/prometheus/targets`` by name, with `token`."""

    def __init__(self, folder: Path, targets: dict[str, list[Any]], token: str) -> None:
        super().__init__(folder)
        shutil.copytree(CLUSTER / "prometheus", folder, dirs_exist_ok=True)
        for path in (folder / "targets").glob("*.yml"):
            path.write_text(yaml.safe_dump(targets.get(path.stem, [])))
        for path in (folder / "rules").glob("*.yml"):
            path.write_text(yaml.safe_dump(hurried(yaml.safe_load(path.read_text()))))
        config = yaml.safe_load((folder / "prometheus.yml").read_text())
        (ray,) = (job for job in config["scrape_configs"] if job["job_name"] == "ray")
        own = ["targets/ray.yml"]  # another Ray of this machine may have written its own file
        ray["file_sd_configs"] = [{"files": own}]
        config["global"] = {"scrape_interval": "5s", "scrape_timeout": "5s", "evaluation_interval": "1s"}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        (folder / "metrics-token").write_text(token)

    def command(self) -> list[str]:
        given = [f"--config.file={self.folder / 'prometheus.yml'}", f"--storage.tsdb.path={self.folder / 'data'}"]
        return [program("prometheus"), *given, f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"]

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=20.0).json()
        assert answer["status"] == "success", answer
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def firing(self) -> set[str]:
        """The alerts that fire now."""
        found = httpx.get(f"{self.url}/api/v1/alerts", timeout=20.0).json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in found if alert["state"] == "firing"}

    def wait_until_fires(self, *alerts: str, timeout_s: float = 180.0) -> None:
        wait_for(lambda: set(alerts) <= self.firing(), timeout_s)

    def wait_until_resolved(self, *alerts: str, timeout_s: float = 180.0) -> None:
        wait_for(lambda: not set(alerts) & self.firing(), timeout_s)


class PublicAddress:
    """HTTPS in front of a service as far as the prober sees it, with a certificate that can be changed."""

    def __init__(self, folder: Path, behind: str) -> None:
        self._authority = trustme.CA()
        self.authority = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(self.authority)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certificate_for(days=90)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    status = httpx.get(f"{behind}{self.path}", timeout=3.0).status_code
                except httpx.HTTPError:
                    status = 502
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = self._context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_address[1]}/livez"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def certificate_for(self, days: float) -> None:
        """Serve a new certificate from now on, which ends after some days."""
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
        self._authority.issue_cert("localhost", not_after=until).configure_cert(self._context)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
