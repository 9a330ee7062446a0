"""Metrics for Prometheus: requests are counted in each process, everything about jobs is asked of the database.

What a scrape asks of the database is right whichever replica answers; requests are summed over replicas by their
``replica`` label.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from e2e3d.errors import MachineError
from e2e3d.service.database import Database
from e2e3d.service.metrics import queries as figures

_GOOD_FOR_S = 10.0
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class RequestMetrics:
    """Counts the requests of this process by route, method and status."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._lock = threading.Lock()
        self._known: figures.Figures | None = None
        self._known_at_s = 0.0
        self._replica = f"{socket.gethostname()}-{os.getpid()}"
        labels = ("replica", "method", "route")
        self._requests = Counter("e2e3d_requests", "Requests answered.", (*labels, "status"), registry=self.registry)
        self._seconds = Histogram(
            "e2e3d_request_seconds", "Time to answer a request.", labels, buckets=_BUCKETS, registry=self.registry
        )

    def observe(self, method: str, route: str, status: int, elapsed_s: float) -> None:
        """Count one request."""
        self._requests.labels(self._replica, method, route, str(status)).inc()
        self._seconds.labels(self._replica, method, route).observe(elapsed_s)

    def text(self, database: Database) -> bytes:
        """All metrics in the text format of Prometheus; what needs the database is missing while it is away.

        What the database counts is up to ten seconds old, since it costs a look at every job.
        """
        registry = CollectorRegistry(auto_describe=False)
        with self._lock:
            registry.register(_DatabaseFigures(self._figures(database)))
        return bytes(generate_latest(self.registry)) + bytes(generate_latest(registry))

    def _figures(self, database: Database) -> figures.Figures | None:
        if self._known is None or time.monotonic() - self._known_at_s > _GOOD_FOR_S:
            try:
                with database.reading() as session:
                    self._known = figures.collect(session)
            except MachineError:
                self._known = None
            self._known_at_s = time.monotonic()
        return self._known


class _DatabaseFigures:
    def __init__(self, found: figures.Figures | None) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("e2e3d_database_up", "1 when the database answers.")
        up.add_metric([], 0 if self._found is None else 1)
        yield up
        if self._found is not None:
            yield from _families(self._found)


def _families(found: figures.Figures) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("e2e3d_jobs", "Jobs by state.", labels=["state"])
    for state, count in found.jobs.items():
        jobs.add_metric([state], count)
    failures = CounterMetricFamily("e2e3d_job_failures", "Failed jobs by code.", labels=["code"])
    for code, count in found.failures.items():
        failures.add_metric([code], count)
    yield from (jobs, failures)
    for name, text, value in (
        ("e2e3d_queue_depth", "Jobs that wait.", found.jobs.get("queued", 0)),
        ("e2e3d_queue_oldest_seconds", "How long the oldest job has waited.", found.oldest_wait_s),
        ("e2e3d_users", "Accounts that are neither disabled nor deleted.", found.users),
        ("e2e3d_photograph_bytes", "Stored bytes of photographs.", found.blob_bytes),
        ("e2e3d_result_bytes", "Stored bytes of results.", found.result_bytes),
        ("e2e3d_webhooks_pending", "Webhook deliveries that wait.", found.pending_deliveries),
    ):
        gauge = GaugeMetricFamily(name, text)
        gauge.add_metric([], value)
        yield gauge
    seconds = CounterMetricFamily("e2e3d_stage_seconds", "Time that stages took.", labels=["stage"])
    cpu = CounterMetricFamily("e2e3d_stage_cpu_seconds", "CPU time that stages took.", labels=["stage"])
    units = CounterMetricFamily("e2e3d_stage_units", "Units that stages finished.", labels=["stage", "reused"])
    runs = CounterMetricFamily("e2e3d_stage_runs", "How often stages ran.", labels=["stage"])
    for stage in found.stages:
        seconds.add_metric([stage.stage], stage.elapsed_s)
        cpu.add_metric([stage.stage], stage.cpu_s)
        units.add_metric([stage.stage, "no"], stage.units - stage.reused_units)
        units.add_metric([stage.stage, "yes"], stage.reused_units)
        runs.add_metric([stage.stage], stage.runs)
    yield from (seconds, cpu, units, runs)
