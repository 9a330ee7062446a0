"""What the dashboards show: for each a title and its panels, an expression of PromQL a line."""

from __future__ import annotations

from dataclasses import dataclass

_QUICK = 'route!~"/livez|/readyz|/metrics|none|.*(events|photos|uploads|imports|results|downloads|archive).*"'
_DISKS = '{fstype!~"tmpfs|overlay|squashfs"}'
_RATE = "$__rate_interval"


@dataclass(frozen=True)
class PanelSpec:
    """One panel.

    Attributes:
        title: of the panel.
        lines: expressions by what their line is called; ``{{label}}`` stands for the value of a label.
        unit: Grafana's name of the unit.
        about: what it means, shown on demand.
        single: one figure instead of lines over time.
    """

    title: str
    lines: dict[str, str]
    unit: str = "short"
    about: str = ""
    single: bool = False


@dataclass(frozen=True)
class DashboardSpec:
    """One dashboard: `name` is its file and part of its address."""

    name: str
    title: str
    panels: tuple[PanelSpec, ...]


def _quantile(share: float) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate(e2e3d_request_seconds_bucket{{{_QUICK}}}[{_RATE}])))"


OVERVIEW = DashboardSpec(
    "overview",
    "E2E3D: overview",
    (
        PanelSpec("Alerts that fire", {"alerts": 'count(ALERTS{alertstate="firing"}) or vector(0)'}, single=True),
        PanelSpec(
            "Ready", {"{{part}}": "min by (part) (e2e3d_ready)"}, single=True, about="1 = ready, as /readyz says."
        ),
        PanelSpec("Jobs", {"{{state}}": 'max by (state) (e2e3d_jobs{state=~"queued|running"})'}, single=True),
        PanelSpec("Newest backup", {"{{what}}": "max by (what) (e2e3d_backup_age_seconds)"}, "s", single=True),
        PanelSpec("Requests", {"all": f"sum(rate(e2e3d_requests_total[{_RATE}]))"}, "reqps"),
        PanelSpec(
            "Requests that fail",
            {"5 minutes": "e2e3d:error_ratio:rate5m", "1 hour": "e2e3d:error_ratio:rate1h"},
            "percentunit",
            "The objective is less than 0.5 % over a month.",
        ),
        PanelSpec("Time to answer, 95 %", {"95 %": _quantile(0.95)}, "s"),
        PanelSpec("Jobs that ended within the last hour", {"{{how}}": "max by (how) (e2e3d_jobs_ended_last_hour)"}),
        PanelSpec("Longest wait", {"oldest job": "max(e2e3d_queue_oldest_seconds)"}, "s"),
        PanelSpec(
            "Free space", {"{{folder}}": "min by (folder) (e2e3d_disk_free_bytes / e2e3d_disk_bytes)"}, "percentunit"
        ),
    ),
)
JOBS = DashboardSpec(
    "jobs",
    "E2E3D: jobs",
    (
        PanelSpec("Jobs by state", {"{{state}}": "max by (state) (e2e3d_jobs)"}),
        PanelSpec("Queue", {"jobs that wait": "max(e2e3d_queue_depth)"}),
        PanelSpec(
            "Runners",
            {"computing": "sum(e2e3d_runner_jobs)", "slots": "sum(e2e3d_runner_slots)"},
            about="Jobs wait while slots are free: see the runbook E2E3DJobsNotStarted.",
        ),
        PanelSpec("Longest wait", {"oldest job": "max(e2e3d_queue_oldest_seconds)"}, "s"),
        PanelSpec("Longest silence of a running job", {"silence": "max(e2e3d_job_silent_seconds)"}, "s"),
        PanelSpec("Claims", {"an hour": "sum(increase(e2e3d_runner_claims_total[1h]))"}),
        PanelSpec("Ends of attempts", {"{{how}}": "sum by (how) (increase(e2e3d_runner_attempts_total[1h]))"}),
        PanelSpec("Failed jobs by code", {"{{code}}": "max by (code) (e2e3d_job_failures_total)"}),
        PanelSpec(
            "Leases",
            {
                "lapsed now": "max(e2e3d_leases_lapsed)",
                "lost within an hour": "sum(increase(e2e3d_leases_lost_total[1h]))",
                "taken back within an hour": "sum(increase(e2e3d_leases_reclaimed_total[1h]))",
            },
        ),
        PanelSpec("Webhook deliveries that wait", {"deliveries": "max(e2e3d_webhooks_pending)"}),
    ),
)
_REUSED = 'max by (stage) (e2e3d_stage_units_total{reused="yes"})'
_UNITS = 'sum by (stage) (e2e3d_stage_units_total{reused="no"})'
STAGES = DashboardSpec(
    "stages",
    "E2E3D: stages and units",
    (
        PanelSpec(
            "CPU time of the last hour",
            {"{{stage}}": "sum by (stage) (increase(e2e3d_stage_cpu_seconds_total[1h]))"},
            "s",
        ),
        PanelSpec(
            "Time of the last hour", {"{{stage}}": "sum by (stage) (increase(e2e3d_stage_seconds_total[1h]))"}, "s"
        ),
        PanelSpec(
            "CPU time of a computed unit",
            {"{{stage}}": f"max by (stage) (e2e3d_stage_cpu_seconds_total) / ({_UNITS} > 0)"},
            "s",
            "The mean over all jobs; a reused unit counts with the time that it once took.",
        ),
        PanelSpec(
            "Time of a run of a stage",
            {"{{stage}}": "max by (stage) (e2e3d_stage_seconds_total) / max by (stage) (e2e3d_stage_runs_total)"},
            "s",
        ),
        PanelSpec("Units within an hour", {"{{stage}}": "sum by (stage) (increase(e2e3d_stage_units_total[1h]))"}),
        PanelSpec(
            "Share of units that were found finished",
            {"{{stage}}": f"{_REUSED} / sum by (stage) (e2e3d_stage_units_total)"},
            "percentunit",
        ),
    ),
)
GPU = DashboardSpec(
    "gpu",
    "E2E3D: GPU",
    (
        PanelSpec("Load of the GPUs", {"{{instance}} {{GpuIndex}}": "ray_node_gpus_utilization"}, "percent"),
        PanelSpec("Memory used", {"{{instance}} {{GpuIndex}}": "ray_node_gram_used"}, "decmbytes"),
        PanelSpec("Memory free", {"{{instance}} {{GpuIndex}}": "ray_node_gram_available"}, "decmbytes"),
        PanelSpec("Jobs that wait meanwhile", {"jobs": "max(e2e3d_queue_depth)"}),
        PanelSpec(
            "CPU time of depth within an hour",
            {"depth": 'sum(increase(e2e3d_stage_cpu_seconds_total{stage=~"depth.*"}[1h]))'},
            "s",
        ),
    ),
)
SERVICE = DashboardSpec(
    "service",
    "E2E3D: service",
    (
        PanelSpec(
            "Requests by route",
            {"{{method}} {{route}}": f"sum by (method, route) (rate(e2e3d_requests_total[{_RATE}]))"},
            "reqps",
        ),
        PanelSpec(
            "Requests by status", {"{{status}}": f"sum by (status) (rate(e2e3d_requests_total[{_RATE}]))"}, "reqps"
        ),
        PanelSpec(
            "Time to answer",
            {f"{share:.0%}": _quantile(share) for share in (0.5, 0.95, 0.99)},
            "s",
            "Without transfers of files.",
        ),
        PanelSpec(
            "Requests slower than a second",
            {"5 minutes": "e2e3d:slow_ratio:rate5m", "1 hour": "e2e3d:slow_ratio:rate1h"},
            "percentunit",
            "The objective is less than 1 % over a month.",
        ),
        PanelSpec("Errors by code", {"{{code}}": f"sum by (code) (rate(e2e3d_problems_total[{_RATE}]))"}, "reqps"),
        PanelSpec(
            "Replicas that answered", {"replicas": "count(count by (replica) (e2e3d_requests_total))"}, single=True
        ),
        PanelSpec("Versions", {"{{version}}": "count by (version) (e2e3d_build)"}, single=True),
        PanelSpec(
            "Since the runner's last turn", {"{{instance}}": "time() - e2e3d_runner_turn_timestamp_seconds"}, "s"
        ),
        PanelSpec(
            "Turns of the runner that failed",
            {"within an hour": "sum(increase(e2e3d_runner_errors_total[1h])) or vector(0)"},
        ),
        PanelSpec(
            "Maintenance that failed",
            {"within an hour": "sum(increase(e2e3d_maintenance_errors_total[1h])) or vector(0)"},
        ),
        PanelSpec(
            "Since maintenance last succeeded",
            {"{{work}}": "time() - max by (work) (e2e3d_maintenance_timestamp_seconds)"},
            "s",
        ),
        PanelSpec("From outside", {"{{instance}}": "probe_duration_seconds"}, "s"),
        PanelSpec("Certificate ends in", {"{{instance}}": "probe_ssl_earliest_cert_expiry - time()"}, "s", single=True),
        PanelSpec(
            "CPU of the machines",
            {"{{instance}}": f'1 - avg by (instance) (rate(node_cpu_seconds_total{{mode="idle"}}[{_RATE}]))'},
            "percentunit",
        ),
        PanelSpec(
            "Memory of the machines",
            {"{{instance}}": "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"},
            "percentunit",
        ),
    ),
)
STORAGE = DashboardSpec(
    "storage",
    "E2E3D: storage",
    (
        PanelSpec(
            "Stored bytes",
            {"photographs": "max(e2e3d_photograph_bytes)", "results": "max(e2e3d_result_bytes)"},
            "bytes",
        ),
        PanelSpec("Free bytes of local folders", {"{{folder}}": "min by (folder) (e2e3d_disk_free_bytes)"}, "bytes"),
        PanelSpec(
            "Free tomorrow, if it goes on so",
            {"{{folder}}": "min by (folder) (predict_linear(e2e3d_disk_free_bytes[6h], 86400))"},
            "bytes",
        ),
        PanelSpec(
            "File systems of the machines",
            {"{{instance}} {{mountpoint}}": f"node_filesystem_avail_bytes{_DISKS} / node_filesystem_size_bytes"},
            "percentunit",
        ),
        PanelSpec("Lost photographs", {"contents": "max(e2e3d_photographs_lost)"}, single=True),
        PanelSpec("Newest backup", {"{{what}}": "max by (what) (e2e3d_backup_age_seconds)"}, "s", single=True),
    ),
)
USERS = DashboardSpec(
    "users",
    "E2E3D: users",
    (
        PanelSpec("Accounts", {"accounts": "max(e2e3d_users)"}, single=True),
        PanelSpec("Near their quota", {"accounts": "max(e2e3d_users_near_quota)"}, single=True),
        PanelSpec(
            "Stored bytes",
            {"{{user}}": "max by (user) (e2e3d_user_stored_bytes)"},
            "bytes",
            "The twenty who store most; whose an id is says `e2e3d users list`.",
        ),
        PanelSpec(
            "Share of the quota",
            {"{{user}}": "max by (user) (e2e3d_user_stored_bytes / e2e3d_user_quota_bytes)"},
            "percentunit",
        ),
        PanelSpec("Unfinished jobs", {"{{user}}": "max by (user) (e2e3d_user_unfinished_jobs)"}),
    ),
)
DASHBOARDS = (OVERVIEW, JOBS, STAGES, GPU, SERVICE, STORAGE, USERS)
