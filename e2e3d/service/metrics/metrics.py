"""Metrics for Prometheus: requests are counted in each process, everything about jobs is asked of the database.

What a scrape asks of the database is right whichever replica answers; requests are summed over replicas by their
``replica`` label.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import Metric

from e2e3d.errors import MachineError
from e2e3d.service.database import Database
from e2e3d.service.metrics import families
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
        self._problems = Counter(
            "e2e3d_problems", "Errors that were answered, by code.", ("replica", "code"), registry=self.registry
        )

    def observe(self, method: str, route: str, status: int, elapsed_s: float, problem: str | None = None) -> None:
        """Count one request; `problem` is the code of the error that it was answered with."""
        self._requests.labels(self._replica, method, route, str(status)).inc()
        self._seconds.labels(self._replica, method, route).observe(elapsed_s)
        if problem is not None:
            self._problems.labels(self._replica, problem).inc()

    def text(
        self, database: Database, problems: Mapping[str, str | None] | None = None, folders: Iterable[Path] = ()
    ) -> bytes:
        """All metrics in the text format of Prometheus; what needs the database is missing while it is away.

        What the database counts is up to ten seconds old, since it costs a look at every job.

        Args:
            database: of the service.
            problems: what the readiness checks found, by part.
            folders: on local disks whose free space matters.
        """
        with self._lock:
            found = self._figures(database)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(
            _Families(
                chain(
                    families.of_the_process(),
                    families.of_the_parts(problems or {}),
                    families.of_the_disks(folders),
                    families.of_the_database(found),
                )
            )
        )
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


class _Families:
    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = tuple(found)

    def collect(self) -> Iterator[Metric]:
        yield from self._found
