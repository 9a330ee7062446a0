"""Every alert fires when its symptom is there and not otherwise, has a runbook, and goes to who is to be told."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.metrics_page import series_names
from tests.command import ROOT
from tests.servers import program

PROMETHEUS = ROOT / "cluster" / "prometheus"
ALERTMANAGER = ROOT / "cluster" / "alertmanager" / "alertmanager.yml"
EXPORTED = {
    "probe_success": "blackbox_exporter",
    "probe_ssl_earliest_cert_expiry": "blackbox_exporter",
    "redis_up": "redis_exporter",
    "node_filesystem_avail_bytes": "node_exporter",
    "node_filesystem_size_bytes": "node_exporter",
    "node_memory_MemAvailable_bytes": "node_exporter",
    "node_memory_MemTotal_bytes": "node_exporter",
    "ray_node_gpus_utilization": "Ray",
    "up": "Prometheus",
}
"""Metrics in rules that others export, and who does."""

Series = dict[str, str]
REQUESTS = 'e2e3d_requests_total{route="/v1/jobs",status="%s"}'
SECONDS = 'e2e3d_request_seconds_%s{route="/v1/jobs"%s}'


def slow(in_a_second: str, all_: str) -> Series:
    return {SECONDS % ("bucket", ',le="1.0"'): f"0+{in_a_second}x160", SECONDS % ("count", ""): f"0+{all_}x160"}


def errors(failed: int, rest: int) -> Series:
    return {REQUESTS % "503": f"0+{failed}x160", REQUESTS % "200": f"0+{rest}x160"}


def ended(failed: int, succeeded: int) -> Series:
    name = 'e2e3d_jobs_ended_last_hour{how="%s"}'
    return {name % "failed-service": f"{failed}x160", name % "succeeded": f"{succeeded}x160"}


def one(name: str, value: str) -> Series:
    return {name: f"{value}x160"}


CASES: dict[str, tuple[Series, Series, dict[str, str]]] = {
    # alert: series with which it fires, series with which it does not, labels that it has beside the severity
    "E2E3DUnreachable": (one("probe_success", "0"), one("probe_success", "1"), {}),
    "E2E3DDown": (one('up{job="e2e3d"}', "0"), one('up{job="e2e3d"}', "1"), {}),
    "E2E3DRunnerDown": (one('up{job="e2e3d-runner"}', "0"), one('up{job="e2e3d-runner"}', "1"), {}),
    "E2E3DDatabaseDown": (one('e2e3d_ready{part="database"}', "0"), one('e2e3d_ready{part="database"}', "1"), {}),
    "E2E3DStoreDown": (one('e2e3d_ready{part="store"}', "0"), one('e2e3d_ready{part="store"}', "1"), {}),
    "E2E3DRayDown": (one('e2e3d_ready{part="ray"}', "0"), one('e2e3d_ready{part="ray"}', "1"), {}),
    "E2E3DRedisDown": (one("redis_up", "0"), one("redis_up", "1"), {}),
    "E2E3DTargetDown": (one('up{job="node"}', "0"), one('up{job="node"}', "1"), {"job": "node"}),
    "E2E3DCertificateEnds": (
        one("probe_ssl_earliest_cert_expiry", "1209000"),  # 14 days are 1,209,600 s; the tests begin at 0
        one("probe_ssl_earliest_cert_expiry", "1300000"),
        {},
    ),
    "E2E3DErrorBudgetBurnsFast": (errors(8, 92), errors(6, 94), {}),
    "E2E3DErrorBudgetBurnsSlowly": (errors(4, 96), errors(2, 98), {}),
    "E2E3DRequestsSlow": (slow("85", "100"), slow("87", "100"), {}),
    "E2E3DRequestsSlowish": (slow("93", "100"), slow("95", "100"), {}),
    "E2E3DJobsNotStarted": (
        one("e2e3d_queue_depth", "1") | one("e2e3d_runner_jobs", "1") | one("e2e3d_runner_slots", "2"),
        one("e2e3d_queue_depth", "9") | one("e2e3d_runner_jobs", "2") | one("e2e3d_runner_slots", "2"),
        {},
    ),
    "E2E3DJobsWaitLong": (one("e2e3d_queue_oldest_seconds", "14401"), one("e2e3d_queue_oldest_seconds", "14400"), {}),
    "E2E3DJobsFailing": (ended(3, 11), ended(3, 12), {}),
    "E2E3DJobStuck": (one("e2e3d_job_silent_seconds", "7201"), one("e2e3d_job_silent_seconds", "7200"), {}),
    "E2E3DLeasesLapsed": (one("e2e3d_leases_lapsed", "1"), one("e2e3d_leases_lapsed", "0"), {}),
    "E2E3DLeasesLost": (
        {"e2e3d_leases_lost_total": "0+1x160", "e2e3d_leases_reclaimed_total": "0x160"},
        {"e2e3d_leases_lost_total": "5x160", "e2e3d_leases_reclaimed_total": "7x160"},
        {},
    ),
    "E2E3DGpuIdle": (
        one('ray_node_gpus_utilization{GpuIndex="0"}', "2") | one('e2e3d_jobs{state="queued"}', "1"),
        one('ray_node_gpus_utilization{GpuIndex="0"}', "2") | one('e2e3d_jobs{state="queued"}', "0"),
        {},
    ),
    "E2E3DWebhooksWait": (one("e2e3d_webhooks_pending", "101"), one("e2e3d_webhooks_pending", "100"), {}),
    "E2E3DMaintenanceStopped": (
        one('e2e3d_maintenance_timestamp_seconds{work="collect"}', "0"),
        {'e2e3d_maintenance_timestamp_seconds{work="collect"}': "0+60x160"},
        {},
    ),
    "E2E3DDiskFull": (one('e2e3d_ready{part="disk"}', "0"), one('e2e3d_ready{part="disk"}', "1"), {}),
    "E2E3DDiskFilling": (
        one('e2e3d_disk_free_bytes{folder="/data"}', "9") | one('e2e3d_disk_bytes{folder="/data"}', "100"),
        one('node_filesystem_avail_bytes{mountpoint="/"}', "11")
        | one('node_filesystem_size_bytes{mountpoint="/"}', "100"),
        {"folder": "/data"},
    ),
    "E2E3DMemoryLow": (
        one("node_memory_MemAvailable_bytes", "4") | one("node_memory_MemTotal_bytes", "100"),
        one("node_memory_MemAvailable_bytes", "6") | one("node_memory_MemTotal_bytes", "100"),
        {},
    ),
    "E2E3DQuotaNearlyUsed": (one("e2e3d_users_near_quota", "1"), one("e2e3d_users_near_quota", "0"), {}),
    "E2E3DPhotographsLost": (one("e2e3d_photographs_lost", "1"), one("e2e3d_photographs_lost", "0"), {}),
    "E2E3DBackupOld": (
        one('e2e3d_backup_age_seconds{what="made"}', "93601"),
        one('e2e3d_backup_age_seconds{what="made"}', "93600"),
        {},
    ),
    "E2E3DBackupNotVerified": (
        one('e2e3d_backup_age_seconds{what="verified"}', "691201"),
        one('e2e3d_backup_age_seconds{what="verified"}', "691200"),
        {},
    ),
}


def rules() -> list[dict[str, Any]]:
    files = sorted((PROMETHEUS / "rules").glob("*.yml"))
    return [rule for path in files for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    token = PROMETHEUS / "metrics-token"  # a secret: made at installation
    made = not token.exists()
    token.touch()
    try:
        check("promtool", "check", "config", PROMETHEUS / "prometheus.yml")
    finally:
        if made:
            token.unlink()
    check("amtool", "check-config", ALERTMANAGER)


@pytest.mark.slow
def test_every_alert_fires_for_its_symptom_and_not_short_of_it(tmp_path: Path) -> None:
    assert CASES.keys() == ALERTS.keys()
    wanted = []
    for name, (bad, good, labels) in CASES.items():
        rule = ALERTS[name]
        fired = [{"exp_labels": labels | rule["labels"], "exp_annotations": rule["annotations"]}]
        wanted += [unit(name, bad, fired), unit(name, good, [])]
        if "for" in rule:
            wanted.append(unit(name, bad, [], "0m"))
    path = tmp_path / "tests.yml"
    files = [str(path) for path in (PROMETHEUS / "rules").glob("*.yml")]
    path.write_text(yaml.safe_dump({"rule_files": files, "evaluation_interval": "5m", "tests": wanted}))
    check("promtool", "test", "rules", path)


def unit(alert: str, series: Series, fired: list[dict[str, Any]], at: str = "150m") -> dict[str, Any]:
    given = [{"series": name, "values": values} for name, values in series.items()]
    asked = {"eval_time": at, "alertname": alert, "exp_alerts": fired}
    return {"interval": "1m", "input_series": given, "alert_rule_test": [asked]}


def test_every_metric_in_a_rule_is_exported() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    known = series_names() | EXPORTED.keys() | recorded
    used = {name for rule in rules() for name in metrics_in(rule["expr"])}
    assert used - known == set()
    assert EXPORTED.keys() - used == set()


def metrics_in(expression: str) -> set[str]:
    """The names of metrics in an expression of PromQL."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring)\s*\([^)]*\)', "", expression)
    words = re.findall(r"[a-zA-Z_][\w:]*(?!\w)(?!\s*\()", bare)
    return {word for word in words if word not in ("and", "or", "unless", "by", "on", "without", "bool")}


def test_every_alert_has_a_runbook_and_no_other() -> None:
    there = {path.stem for path in (ROOT / "docs" / "runbooks").glob("E2E3D*.md")}
    assert there == ALERTS.keys()
    listed = (ROOT / "docs" / "runbooks" / "README.md").read_text()
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook"] == f"docs/runbooks/{name}.md"
        page = (ROOT / "docs" / "runbooks" / f"{name}.md").read_text()
        assert page.startswith(f"# {name}\n")
        assert [part for part in ("## What users feel", "## How to see it", "## What to do") if part not in page] == []
        assert f"[{name}]({name}.md)" in listed


def test_commands_of_runbooks_exist() -> None:
    commands = re.split(r"^### ", (ROOT / "docs" / "cli.md").read_text(), flags=re.MULTILINE)[1:]
    pages = "\n".join(path.read_text() for path in sorted((ROOT / "docs" / "runbooks").glob("*.md")))
    used = {line.split("#")[0].strip() for line in re.findall(r"^e2e3d [^\n]*|(?<=`)e2e3d [^`]*", pages, re.MULTILINE)}
    assert len(used) > 8
    for command in used:
        words = re.match(r"e2e3d(?: [a-z][a-z-]*)+", command)
        assert words is not None, command
        found = [section for section in commands if re.match(rf"{words[0].strip()}( [^a-z]|$)", section, re.MULTILINE)]
        assert found, command
        assert [option for option in re.findall(r"--[a-z-]+", command) if option not in found[0]] == [], command


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("severity=critical alertname=E2E3DDown", "page"),
        ("severity=warning alertname=E2E3DBackupOld", "ticket"),
        ("severity=info alertname=E2E3DQuotaNearlyUsed", "none"),
        ("alertname=SomethingElse", "ticket"),
    ],
)
def test_alerts_go_to_who_is_to_be_told(labels: str, receiver: str) -> None:
    said = check("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", *labels.split())
    assert said.strip() == receiver


def test_every_alert_has_a_severity_that_is_routed() -> None:
    assert {rule["labels"]["severity"] for rule in ALERTS.values()} == {"critical", "warning", "info"}
    inhibited = [rule for part in yaml.safe_load(ALERTMANAGER.read_text())["inhibit_rules"] for rule in part.values()]
    patterns = [re.search(r'alertname=~?"(.*)"', matcher) for part in inhibited for matcher in part]
    for pattern in (found[1] for found in patterns if found is not None):
        for alternative in pattern.split("|"):
            assert any(re.fullmatch(alternative, name) for name in ALERTS), alternative


def check(*command: object) -> str:
    words = [program(str(command[0])), *map(str, command[1:])]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_job_of_prometheus_has_its_file_of_targets() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    managers = config["alerting"]["alertmanagers"]
    asked = {file for job in (*config["scrape_configs"], *managers) for file in job["file_sd_configs"][0]["files"]}
    there = {f"targets/{path.name}" for path in (PROMETHEUS / "targets").iterdir()}
    assert {file for file in asked if not file.startswith("/")} == there
    modules = yaml.safe_load((PROMETHEUS / "blackbox.yml").read_text())["modules"]
    for group in yaml.safe_load((PROMETHEUS / "targets" / "probe.yml").read_text()):
        assert group["labels"]["module"] in modules
