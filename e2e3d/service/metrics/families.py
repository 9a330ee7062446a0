"""What the database, the disks and the readiness checks say, as families of metrics."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from e2e3d.service.metrics.queries import Figures, StageSums, UserSums
from e2e3d.service.public_errors import WORDS

_OF_THE_SERVICE = frozenset(WORDS) | {"internal-error", "photographs-gone"}


def of_the_process() -> Iterator[Metric]:
    """Which version answers."""
    yield _gauge("e2e3d_build", "Version of the service; always 1.", {version("e2e3d"): 1}, "version")


def of_the_parts(problems: Mapping[str, str | None]) -> Iterator[Metric]:
    """Whether each part that ``/readyz`` asks is ready; `problems` as :meth:`Readiness.ask` gives them."""
    ready = {name: int(problem is None) for name, problem in problems.items()}
    yield _gauge("e2e3d_ready", "1 when a part of the service is ready: database, store, disk, ray.", ready, "part")


def of_the_disks(folders: Iterable[Path]) -> Iterator[Metric]:
    """Size and free space of the file systems that local folders lie on, those that exist."""
    usage = {str(folder): shutil.disk_usage(folder) for folder in folders if folder.exists()}
    for name, text, values in (
        ("e2e3d_disk_bytes", "Size of the file system of a local folder.", {f: u.total for f, u in usage.items()}),
        ("e2e3d_disk_free_bytes", "Free bytes there.", {f: u.free for f, u in usage.items()}),
    ):
        yield _gauge(name, text, values, "folder")


def of_the_database(found: Figures | None) -> Iterator[Metric]:
    """All that the database counts; None = it does not answer."""
    yield _single("e2e3d_database_up", "1 when the database answers.", found is not None)
    if found is not None:
        yield from _jobs(found)
        yield from _totals(found)
        yield from _users(found.most)
        yield from _stages(found.stages)


def _jobs(found: Figures) -> Iterator[Metric]:
    yield _gauge("e2e3d_jobs", "Jobs by state.", found.jobs, "state")
    failures = CounterMetricFamily("e2e3d_job_failures", "Failed jobs by code.", labels=["code"])
    for code, count in found.failures.items():
        failures.add_metric([code], count)
    yield failures
    ended = {"succeeded": 0, "failed-service": 0, "failed-input": 0, "cancelled": 0}
    for (state, code), count in found.recent.items():
        whose = "service" if code in _OF_THE_SERVICE else "input"
        ended[f"failed-{whose}" if state == "failed" else state] += count
    text = "Jobs that ended within the last hour; failures by whether the service or the photographs are at fault."
    yield _gauge("e2e3d_jobs_ended_last_hour", text, ended, "how")


def _totals(found: Figures) -> Iterator[Metric]:
    for name, text, value in (
        ("e2e3d_queue_depth", "Jobs that wait.", found.jobs.get("queued", 0)),
        ("e2e3d_queue_oldest_seconds", "How long the oldest job has waited.", found.oldest_wait_s),
        ("e2e3d_job_silent_seconds", "Longest time that a running job has reported nothing.", found.longest_silence_s),
        ("e2e3d_leases_lapsed", "Running jobs whose lease has run out.", found.lapsed),
        ("e2e3d_users", "Accounts that are neither disabled nor deleted.", found.users),
        ("e2e3d_users_near_quota", "Users with nine tenths of their quota stored.", found.users_near_quota),
        ("e2e3d_photograph_bytes", "Stored bytes of photographs.", found.blob_bytes),
        ("e2e3d_photographs_lost", "Contents of photographs that the store has lost.", found.lost_photographs),
        ("e2e3d_result_bytes", "Stored bytes of results.", found.result_bytes),
        ("e2e3d_webhooks_pending", "Webhook deliveries that wait.", found.pending_deliveries),
    ):
        yield _single(name, text, value)
    text = "Since the moment of the newest backup that was made or verified; since the first account if none was made."
    yield _gauge("e2e3d_backup_age_seconds", text, found.backup_age_s, "what")


def _users(most: Iterable[UserSums]) -> Iterator[Metric]:
    most = tuple(most)
    for name, text, values in (
        ("e2e3d_user_stored_bytes", "Stored bytes of the users who store most.", [u.stored_bytes for u in most]),
        ("e2e3d_user_quota_bytes", "What they may store.", [u.quota_bytes for u in most]),
        ("e2e3d_user_unfinished_jobs", "Their queued and running jobs.", [u.unfinished_jobs for u in most]),
    ):
        yield _gauge(name, text, dict(zip([u.user_id for u in most], values, strict=True)), "user")


def _stages(stages: Iterable[StageSums]) -> Iterator[Metric]:
    seconds = CounterMetricFamily("e2e3d_stage_seconds", "Time that stages took.", labels=["stage"])
    cpu = CounterMetricFamily("e2e3d_stage_cpu_seconds", "CPU time that stages took.", labels=["stage"])
    units = CounterMetricFamily("e2e3d_stage_units", "Units that stages finished.", labels=["stage", "reused"])
    runs = CounterMetricFamily("e2e3d_stage_runs", "How often stages ran.", labels=["stage"])
    for stage in stages:
        seconds.add_metric([stage.stage], stage.elapsed_s)
        cpu.add_metric([stage.stage], stage.cpu_s)
        units.add_metric([stage.stage, "no"], stage.units - stage.reused_units)
        units.add_metric([stage.stage, "yes"], stage.reused_units)
        runs.add_metric([stage.stage], stage.runs)
    yield from (seconds, cpu, units, runs)


def _single(name: str, text: str, value: float) -> Metric:
    gauge = GaugeMetricFamily(name, text)
    gauge.add_metric([], value)
    return gauge


def _gauge(name: str, text: str, values: Mapping[str, float], label: str) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=[label])
    for each, value in values.items():
        gauge.add_metric([each], value)
    return gauge
