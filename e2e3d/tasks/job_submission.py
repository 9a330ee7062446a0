"""Jobs of a Ray cluster: commands that run on it and go on when the caller leaves."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from e2e3d.errors import MachineError

_POLL_S = 1.0


def submit_job(address: str, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Start a command on the cluster.

    Args:
        address: of the dashboard, ``http://HEAD:8265``.
        name: beginning of the job's id, for people who look at the dashboard.
        command: what runs, on the head.
        folder: a copy of it is where the command runs.
        environment: variables of the command, besides those of the cluster.

    Returns:
        the id of the job, which ``ray job logs`` and ``ray job stop`` take.

    Raises:
        MachineError: ``cluster-unreachable``.
    """
    from ray.job_submission import JobSubmissionClient

    job = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 1000:03d}"
    try:
        client = JobSubmissionClient(address)
        return str(
            client.submit_job(
                entrypoint=shlex.join(command),
                submission_id=job,
                runtime_env={"working_dir": str(folder), "env_vars": dict(environment)},
                metadata={"name": name},
            )
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise _unreachable(address, error) from error


def follow_job(address: str, job: str, write: Callable[[str], None]) -> int:
    """Hand what a job prints to `write` as it comes, until the job ends.

    Returns:
        the exit code of its command; -1 when it ended without one, as when it was stopped.

    Raises:
        MachineError: ``cluster-unreachable``.
    """
    from ray.job_submission import JobSubmissionClient

    seen = 0
    try:
        client = JobSubmissionClient(address)
        while True:
            ended = client.get_job_status(job).is_terminal()
            logs = client.get_job_logs(job)
            if len(logs) > seen:
                write(logs[seen:])
                seen = len(logs)
            if ended:
                code = client.get_job_info(job).driver_exit_code
                return -1 if code is None else int(code)
            time.sleep(_POLL_S)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> MachineError:
    return MachineError(
        "cluster-unreachable",
        f"The Ray dashboard at {address} did not take or know the job: {error}.",
        "Check the address (http://HEAD:8265), and RAY_AUTH_MODE and the token where the cluster asks for one.",
    )
