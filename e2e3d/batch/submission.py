"""A batch as a job of a Ray cluster, from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from e2e3d.batch.requests import read_image_sets


def submit(
    sets: Path | str,
    address: str,
    store: str,
    out: str | None = None,
    at_once: int | None = None,
    again: bool = False,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Start ``python -m e2e3d.batch SETS.jsonl`` on a cluster; it goes on when this process ends.

    The folder of the file goes to the cluster with it, at most 500 MB: larger photographs are named as ``s3://``
    prefixes, or as paths that the cluster has.

    Args:
        sets: the file, see :func:`~e2e3d.batch.requests.read_image_sets`.
        address: of the dashboard, ``http://HEAD:8265``.
        store: of artifacts, a URL that every machine of the cluster reaches.
        out: place of the results (below ``batches/`` in the store).
        at_once: sets under way at once.
        again: also try failed sets again whose photographs were refused.
        environment: variables of the batch, such as ``E2E3D_S3_KEY``.

    Returns:
        the id of the job: for :func:`follow`, ``ray job logs`` and ``ray job stop``.

    Raises:
        InputError: a line of the file is wrong.
        MachineError: ``cluster-unreachable``.
    """
    from e2e3d.tasks.job_submission import submit_job

    sets = Path(sets)
    read_image_sets(sets)
    command = ["python", "-m", "e2e3d.batch", sets.name, "--store", store]
    command += [] if out is None else ["--out", out]
    command += [] if at_once is None else ["--at-once", str(at_once)]
    command += ["--again"] if again else []
    return submit_job(address, f"batch-{sets.stem}", command, sets.resolve().parent, environment or {})


def follow(address: str, job: str, write: Callable[[str], None]) -> int:
    """Hand the lines of a batch to `write` as they come; returns its exit code when it has ended.

    Raises:
        MachineError: ``cluster-unreachable``.
    """
    from e2e3d.tasks.job_submission import follow_job

    return follow_job(address, job, write)
