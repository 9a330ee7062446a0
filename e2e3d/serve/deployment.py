"""The service on Ray Serve: the application `api` answers HTTP, `runner` computes jobs where the cluster is shared."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import ray
from ray import serve

from e2e3d.config.deployment import ServiceSettings, load_service_settings

API, RUNNER = "api", "runner"
_REQUESTS_A_REPLICA = 2000  # event streams stay open for hours, and each counts as a request
_NO_ACCESS_LOG = {"enable_access_log": False}  # the application has its own, with more in it
_SHUTDOWN_S = 9.0
_LOOK_S = 1.8  # with every second turn of Serve's loop: a replica that died is found within 3 s
_SILENT_S = 10.0  # three times in a row


def build_app() -> Any:
    """The application, made inside a replica; everything it needs comes from the environment."""
    from e2e3d.runtime.tracing import start_tracing
    from e2e3d.serve.app import create_app
    from e2e3d.serve.backpressure import fetch_when_read
    from e2e3d.service.administration.log_level import start_log
    from e2e3d.service.file_permissions import keep_files_private
    from e2e3d.service.services import build_services

    keep_files_private()
    settings = load_service_settings()
    services = build_services(settings, {"ray": _check_ray})
    start_log(settings, services.database, "replica")
    start_tracing(settings.traces_endpoint, "api")
    fetch_when_read()
    return create_app(services, behind_serve=True)


def _check_ray() -> None:
    if not any(node["Alive"] for node in ray.nodes()):
        raise RuntimeError("no node of the Ray cluster is alive")


def api_application(settings: ServiceSettings) -> Any:
    """`settings.replicas` processes that answer HTTP; none of them holds a state of its own."""
    deployment = serve.deployment(
        name=API,
        num_replicas=settings.replicas,
        max_ongoing_requests=_REQUESTS_A_REPLICA,
        ray_actor_options=_actor_options(settings),
        health_check_period_s=_LOOK_S,
        health_check_timeout_s=_SILENT_S,
        graceful_shutdown_timeout_s=3,
        graceful_shutdown_wait_loop_s=0.5,
        logging_config=_NO_ACCESS_LOG,
    )
    return deployment(serve.ingress(build_app)()).bind()


class RunnerReplica:
    """Computes jobs. Serve restarts it when it dies; its drivers die with it, and its jobs are taken up again."""

    def __init__(self) -> None:
        from e2e3d.service.runner.runner_process import RunnerThreads

        self._threads = RunnerThreads(ray.get_runtime_context().gcs_address)

    def check_health(self) -> None:
        """Raise when the loop has ended, so that Serve starts another runner."""
        if not self._threads.alive:
            raise RuntimeError("the runner's loop has ended")

    def stop(self) -> bool:
        """Give the running jobs back to the queue; returns whether everything has ended in time."""
        return self._threads.stop()

    def __del__(self) -> None:
        """Serve calls this when it takes the replica down."""
        self.stop()


def _actor_options(settings: ServiceSettings) -> dict[str, Any]:
    """No cores, which belong to jobs; in a cluster that others started, the settings travel with the deployment.

    The secret key does not where a settings file is used, which every node must have then: what travels, Ray shows.
    """
    options: dict[str, Any] = {"num_cpus": 0}
    if settings.serve_labels:
        options["label_selector"] = dict(settings.serve_labels)
    if settings.address is None:
        return options
    given = {name: value for name, value in os.environ.items() if name.startswith("E2E3D_")}
    if "E2E3D_CONFIG" not in given:
        given["E2E3D_SECRET_KEY"] = str(settings.secret_key)
    return options | {"runtime_env": {"env_vars": given}}


def runner_application(settings: ServiceSettings) -> Any:
    """One process that computes jobs, sends webhooks and collects what nobody needs."""
    deployment = serve.deployment(
        name=RUNNER,
        num_replicas=1,
        ray_actor_options=_actor_options(settings),
        health_check_period_s=2,
        health_check_timeout_s=20,
        graceful_shutdown_timeout_s=_SHUTDOWN_S,
        graceful_shutdown_wait_loop_s=0.5,
    )
    return deployment(RunnerReplica).bind()


def deploy(settings: ServiceSettings) -> None:
    """Start the applications on the connected cluster, or update them where they run already.

    On a private Ray the runner is a process of its own, see ``service/runner/runner_process.py``.
    """
    behind_front = settings.internal_port is not None
    serve.start(
        proxy_location="HeadOnly" if settings.address is None else "EveryNode",
        http_options={
            "host": "127.0.0.1" if behind_front else settings.host,
            "port": settings.internal_port if behind_front else settings.port,
        },
        logging_config=_NO_ACCESS_LOG,
    )
    targets = [serve.RunTarget(api_application(settings), name=API, route_prefix="/")]
    if settings.address is not None:
        targets.append(serve.RunTarget(runner_application(settings), name=RUNNER, route_prefix=None))
    serve.run_many(targets)


def build_api(_: dict[str, str]) -> Any:
    """The application `api` for a configuration file of Ray Serve, as KubeRay's RayService has one."""
    return api_application(load_service_settings())


def build_runner(_: dict[str, str]) -> Any:
    """The application `runner` for a configuration file of Ray Serve."""
    return runner_application(load_service_settings())


def leave_cluster() -> None:
    """Have the runner give its jobs back, then take the service off a cluster that stays with what others run on it."""
    with contextlib.suppress(Exception):  # a runner that is gone has no jobs
        serve.get_app_handle(RUNNER).stop.remote().result(timeout_s=_SHUTDOWN_S)
    for name in (RUNNER, API):
        serve.delete(name)
