"""The environment that Ray reads when it is imported; this module does not import it."""

from __future__ import annotations

import os
import secrets
import sys

# Inherited by everything a private Ray starts: no telemetry and no metrics that nobody reads on one machine, few malloc
# arenas, which multiply the memory of processes with many threads, and loops that look less often for what only a
# cluster has: what other nodes load, lost connections, file systems, events for a dashboard.
LOCAL_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_task_events_report_interval_ms": "0",
    "RAY_memory_usage_threshold": "0.95",
    "RAY_event_stats": "0",
    "RAY_debug_dump_period_milliseconds": "0",
    "RAY_io_context_event_loop_lag_collection_interval_ms": "0",
    "RAY_raylet_check_gc_period_milliseconds": "5000",
    "RAY_raylet_check_for_unexpected_worker_disconnect_interval_ms": "5000",
    "RAY_kill_idle_workers_interval_ms": "1000",
    "RAY_object_manager_timer_freq_ms": "500",
    "RAY_gcs_pull_resource_loads_period_milliseconds": "10000",
    "RAY_local_fs_monitor_interval_ms": "2000",
    "REPORTER_UPDATE_INTERVAL_MS": "60000",
    "EVENT_AGENT_REPORT_INTERVAL_SECONDS": "60",
    "RAY_DASHBOARD_AGGREGATOR_AGENT_CHECK_MAIN_THREAD_LIVENESS_INTERVAL_SECONDS": "60",
    "MALLOC_ARENA_MAX": "2",
}

# Ray Serve on any cluster: no workers started before they are needed, and loops that look less often than ten times a
# second for changes that come by hand, or collect figures that nobody reads (the service has its own). Ray would give
# replicas and proxies the niceness of all workers, 15, so that whatever else a machine does keeps users waiting; what
# computes steps back itself (runtime/priority.py).
SERVICE_ENVIRONMENT = {
    "RAY_worker_niceness": "0",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "e2e3d.serve.backpressure:proxy_callback",
    "RAY_enable_worker_prestart": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_memory_monitor_refresh_ms": "1000",
    "RAY_raylet_report_resources_period_milliseconds": "500",
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "1.0",
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "4.0",
    "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "10000",
    "RAY_SERVE_EVENT_LOOP_MONITORING_INTERVAL_S": "60",
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "10",
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "10",
}


def protect_private_ray() -> None:
    """Require a fresh random token from whoever talks to the Ray that this process is going to start.

    Ray's ports are open to the network and would run anybody's code. The mode is fixed when Ray is imported, so entry
    points call this before; where Ray is imported already, or a mode is chosen, nothing changes.
    """
    if "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
