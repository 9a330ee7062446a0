"""Runs a batch: so many sets at once, each in a process of its own, all on one Ray cluster and one artifact store."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from e2e3d.batch.outcomes import (
    SUCCEEDED,
    Outcome,
    failed_outcome,
    outcome_from_json,
    read_outcome,
    write_outcome,
    write_results,
)
from e2e3d.batch.requests import ImageSet
from e2e3d.batch.set_files import listing
from e2e3d.batch.set_process import Task
from e2e3d.config.deployment import Settings
from e2e3d.errors import CancelledError, E2E3DError, MachineError
from e2e3d.storage.objects import ObjectStore
from e2e3d.storage.opening import open_objects

TRIES = 2
_STOP_S = 5.0
_LOOK_S = 1.0
Listener = Callable[[Outcome, bool], None]
"""Receives the end of each set, and whether an earlier run of the batch had computed it."""


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is run.

    Attributes:
        results: folder or ``s3://`` URL; each set gets a folder of its name in it.
        store: of artifacts: sets with photographs in common share their results.
        at_once: sets under way at the same time.
        again: also try sets again that failed for reasons of their own.
    """

    results: str
    store: str
    at_once: int
    again: bool = False


def run_batch(
    image_sets: Sequence[ImageSet], options: BatchOptions, settings: Settings, listener: Listener
) -> tuple[Outcome, ...]:
    """Compute every set that has no end yet; the same call again goes on where the last one stopped.

    Returns:
        the end of each set, in their order.

    Raises:
        MachineError: Ray cannot be started or joined; the results cannot be written.
        CancelledError: the process was interrupted; what is finished is kept.
    """
    files = open_objects(options.results, settings.s3_options)
    outcomes: dict[str, Outcome] = {}
    todo = []
    for image_set in image_sets:
        digest, failed = _digest(image_set, settings)
        before = read_outcome(files, image_set.name)
        if failed is not None:
            _finish(files, failed, outcomes, listener, earlier=False)
        elif before is not None and before.digest == digest and _settled(before, options.again):
            _finish(files, before, outcomes, listener, earlier=True)
        else:
            todo.append((image_set, digest))
    if todo:
        with _cluster(settings) as address, contextlib.closing(_Processes()) as processes:
            work = ((one, digest, address) for one, digest in todo)
            for outcome in _computed(work, options, processes):
                _finish(files, outcome, outcomes, listener, earlier=False)
                write_results(files, outcomes.values())
    ordered = tuple(outcomes[image_set.name] for image_set in image_sets)
    write_results(files, ordered)
    return ordered


def _settled(outcome: Outcome, again: bool) -> bool:
    return outcome.state == SUCCEEDED or (outcome.final and not again)


def _digest(image_set: ImageSet, settings: Settings) -> tuple[str, Outcome | None]:
    """What names the set's request, or the outcome of a set whose photographs are not there."""
    try:
        return image_set.digest(listing(image_set, settings.s3_options)), None
    except E2E3DError as error:
        return "", failed_outcome(image_set.name, "", error, 0.0)


def _finish(
    files: ObjectStore, outcome: Outcome, outcomes: dict[str, Outcome], listener: Listener, earlier: bool
) -> None:
    outcomes[outcome.name] = outcome
    if not earlier:
        write_outcome(files, outcome)
    listener(outcome, earlier)


def _computed(
    work: Iterable[tuple[ImageSet, str, str]], options: BatchOptions, processes: _Processes
) -> Iterator[Outcome]:
    """The ends of the sets as they come, with at most `at_once` of them under way."""
    running: set[Future[Outcome]] = set()
    waiting = iter(work)
    with ThreadPoolExecutor(options.at_once) as pool:
        try:
            while True:
                for one, digest, address in islice(waiting, options.at_once - len(running)):
                    running.add(pool.submit(_compute, one, digest, address, options, processes))
                if not running:
                    return
                done, running = wait(running, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            if running:
                processes.close()


def _compute(image_set: ImageSet, digest: str, address: str, options: BatchOptions, processes: _Processes) -> Outcome:
    """The end of a set; one whose process died, or whose machine failed it, is tried once more."""
    outcome = None
    for _ in range(TRIES):
        outcome = _try(image_set, digest, address, options, processes)
        if outcome.state == SUCCEEDED or outcome.final:
            break
    assert outcome is not None
    return outcome


def _try(image_set: ImageSet, digest: str, address: str, options: BatchOptions, processes: _Processes) -> Outcome:
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="e2e3d-batch-") as folder:
        answer = Path(folder) / "outcome.json"
        task = Task(
            dataclasses.asdict(image_set),
            digest,
            f"{options.results.rstrip('/')}/{image_set.name}",
            options.store,
            address,
            str(answer),
            os.getpid(),
        )
        log = Path(folder) / "log"
        code = processes.run(image_set.name, json.dumps(dataclasses.asdict(task)), log)
        if answer.exists():
            return outcome_from_json(answer.read_bytes())
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or [""]
        died = MachineError(
            "process-died",
            f"Its process ended with code {code} without an answer ({last[0][:200]}).",
            "Run the batch again.",
        )
        return failed_outcome(image_set.name, digest, died, time.monotonic() - started_s)


class _Processes:
    """The processes of the sets under way, which end when this one stops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def run(self, name: str, task: str, log: Path) -> int:
        """Run one to its end; what it writes to standard error goes to `log`. Raises CancelledError once closed.

        The name of the set is an argument so that lists of processes, and of Ray's jobs, show it.
        """
        with log.open("wb") as errors:
            with self._lock:
                if self._closed:
                    raise CancelledError
                command = [sys.executable, "-m", "e2e3d.batch.set_process", name]
                process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors)
                self._running.add(process)
            try:
                process.communicate(task.encode())
            finally:
                with self._lock:
                    self._running.discard(process)
        return process.returncode

    def close(self) -> None:
        """End all, and start no more."""
        with self._lock:
            self._closed = True
            running = tuple(self._running)
        for process in running:
            process.terminate()
        deadline_s = time.monotonic() + _STOP_S
        while time.monotonic() < deadline_s and any(process.poll() is None for process in running):
            time.sleep(0.1)
        for process in running:
            process.kill()


@contextlib.contextmanager
def _cluster(settings: Settings) -> Iterator[str]:
    """The address of the cluster to compute on: the one that is set, or a private one that ends with the batch."""
    if settings.address is not None:
        yield settings.address
        return
    from e2e3d.tasks.ray_environment import protect_private_ray

    protect_private_ray()
    from e2e3d.tasks.ray_session import RaySession, current_ray_job

    session = RaySession(None)
    try:
        job = current_ray_job()
        assert job is not None  # connected just now
        yield job[1]
    finally:
        session.close()
