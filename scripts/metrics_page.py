"""Write docs/metrics.md from what the code exports: ``python scripts/metrics_page.py > docs/metrics.md``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client.core import Metric

from e2e3d.service.metrics import families
from e2e3d.service.metrics.metrics import RequestMetrics
from e2e3d.service.metrics.queries import Figures, StageSums, UserSums
from e2e3d.service.metrics.runner_metrics import RunnerMetrics

_HEAD = """# Metrics

Everything that `/metrics` of the service and of the runner (`E2E3D_RUNNER_METRICS_PORT`) export, both for whoever sends
`E2E3D_METRICS_TOKEN`. What Ray, PostgreSQL, Redis, nginx, node and blackbox export is in their own documents.
[Alerts](runbooks/README.md) and dashboards are made of these. This page is written by `scripts/metrics_page.py`.
"""
_EXAMPLE = Figures(
    jobs={"queued": 1},
    failures={"no-overlap": 1},
    recent={},
    oldest_wait_s=0.0,
    longest_silence_s=0.0,
    lapsed=0,
    users=1,
    users_near_quota=0,
    most=(UserSums("id", 1, 1, 1),),
    blob_bytes=0,
    lost_photographs=0,
    result_bytes=0,
    pending_deliveries=0,
    backup_age_s={"made": 0.0},
    stages=(StageSums("depth", 1, 1, 0, 1.0, 1.0),),
)


def service_metrics() -> list[Metric]:
    """Every family that a replica exports."""
    requests = RequestMetrics()
    requests.observe("GET", "/", 500, 0.1, "internal-error")
    rest = (
        families.of_the_process(),
        families.of_the_parts({"store": None}),
        families.of_the_disks([Path("/")]),
        families.of_the_database(_EXAMPLE),
    )
    return [*requests.registry.collect(), *(family for group in rest for family in group)]


def runner_metrics() -> list[Metric]:
    """Every family that a runner exports."""
    metrics = RunnerMetrics(1)
    for counter in (metrics.attempts, metrics.errors, metrics.maintained):
        counter.labels("example")
    metrics.maintenance_errors.labels("example", "example")
    return list(metrics.registry.collect())


def series_names() -> set[str]:
    """Names as PromQL knows them, such as ``e2e3d_requests_total`` and ``e2e3d_request_seconds_bucket``."""
    return {sample.name for family in (*service_metrics(), *runner_metrics()) for sample in family.samples}


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for title, found in (("The service", service_metrics()), ("The runner", runner_metrics())):
        parts.append(
            f"## {title}\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n" + "\n".join(_rows(found))
        )
        parts.append("")
    return "\n".join(parts)


def _rows(found: Iterable[Metric]) -> Iterator[str]:
    for family in found:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        yield f"| `{name}` | {family.type} | {', '.join(labels)} | {family.documentation} |"


if __name__ == "__main__":
    print(page(), end="")
