"""Metrics of a runner: what it claimed, how attempts ended, which leases were lost; asked for on a port of its own.

A runner answers no other requests, so the endpoint is a small one without FastAPI. It wants the token of the metrics.
"""

from __future__ import annotations

import hmac
import logging
import socketserver
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

log = logging.getLogger(__name__)


class RunnerMetrics:
    """Counts what one runner does.

    Args:
        slots: jobs that it computes at once.
    """

    def __init__(self, slots: int) -> None:
        self.registry = CollectorRegistry()
        given: dict[str, Any] = {"registry": self.registry}
        self.jobs = Gauge("e2e3d_runner_jobs", "Jobs that the runner computes now.", **given)
        Gauge("e2e3d_runner_slots", "Jobs that it computes at once.", **given).set(slots)
        self.claims = Counter("e2e3d_runner_claims", "Jobs that it claimed.", **given)
        self.attempts = Counter(
            "e2e3d_runner_attempts", "Attempts that ended: ended by the driver itself, or how.", ("how",), **given
        )
        self.leases_lost = Counter("e2e3d_leases_lost", "Leases that somebody else had taken at renewal.", **given)
        self.leases_reclaimed = Counter("e2e3d_leases_reclaimed", "Jobs taken back from silent runners.", **given)
        self.errors = Counter(
            "e2e3d_runner_errors", "Turns that the database or the machine failed.", ("code",), **given
        )
        self.turn = Gauge("e2e3d_runner_turn_timestamp_seconds", "When its loop last went round.", **given)
        self.maintained = Gauge(
            "e2e3d_maintenance_timestamp_seconds", "When maintenance of a kind last succeeded.", ("work",), **given
        )
        self.maintenance_errors = Counter(
            "e2e3d_maintenance_errors", "Rounds of maintenance that failed.", ("work", "code"), **given
        )

    def went_round(self, jobs: int) -> None:
        """Note a turn of the loop, and how many jobs are being computed."""
        self.turn.set(time.time())
        self.jobs.set(jobs)

    def serve(self, host: str, port: int, token: str) -> None:
        """Answer ``GET /metrics`` in a thread, to whoever sends the token; a port that is taken is logged."""
        try:
            server = make_server(host, port, self._application(token), _Server, _QuietHandler)
        except OSError as error:
            log.error("the metrics of the runner cannot be asked for: %s:%d: %s", host, port, error.strerror)
            return
        threading.Thread(target=server.serve_forever, name="runner-metrics", daemon=True).start()

    def _application(self, token: str) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
        wanted = f"Bearer {token}".encode()

        def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            if environ["PATH_INFO"] != "/metrics":
                start("404 Not Found", [("Content-Length", "0")])
                return [b""]
            if not hmac.compare_digest(environ.get("HTTP_AUTHORIZATION", "").encode("latin-1"), wanted):
                start("401 Unauthorized", [("WWW-Authenticate", "Bearer"), ("Content-Length", "0")])
                return [b""]
            text = bytes(generate_latest(self.registry))
            start("200 OK", [("Content-Type", CONTENT_TYPE_LATEST), ("Content-Length", str(len(text)))])
            return [text]

        return answer


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    timeout = 10

    def log_message(self, *_: object) -> None:
        """Say nothing: Prometheus asks four times a minute."""
