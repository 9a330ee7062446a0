"""One image set in a process: ``python -m e2e3d.batch.set_process NAME``, with one JSON object on standard input.

A set that brings its process down takes no other with it. The answer is an :class:`~e2e3d.batch.outcomes.Outcome` as
JSON in a file: standard output belongs to libraries.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from e2e3d.batch.outcomes import SUCCEEDED, Outcome, failed_outcome, outcome_to_json
from e2e3d.batch.requests import ImageSet
from e2e3d.batch.set_files import local_copy
from e2e3d.config.deployment import Settings, load_settings
from e2e3d.errors import CancelledError, E2E3DError
from e2e3d.runtime.child_processes import die_with
from e2e3d.storage.atomic_files import write_bytes
from e2e3d.storage.opening import open_objects


@dataclasses.dataclass(frozen=True)
class Task:
    """What the process is given.

    Attributes:
        values: of the :class:`~e2e3d.batch.requests.ImageSet`; `digest` of what is asked for.
        results: folder or URL that the files of the model go to.
        store: of artifacts.
        address: of the Ray cluster.
        outcome: the file for the answer.
        parent: id of the process that started this one, with which it ends.
    """

    values: dict[str, Any]
    digest: str
    results: str
    store: str
    address: str
    outcome: str
    parent: int


def main() -> int:
    """Compute the set that standard input names; returns the exit code."""
    task = Task(**json.loads(sys.stdin.read()))
    die_with(task.parent)
    write_bytes(Path(task.outcome), outcome_to_json(_outcome(task)))
    return 0


def _outcome(task: Task) -> Outcome:
    values = task.values
    distance = values.get("known_distance")
    image_set = ImageSet(**values | {"known_distance": None if distance is None else tuple(distance)})
    started_s = time.monotonic()
    try:
        made = _reconstruct(image_set, task)
    except CancelledError:
        raise
    except E2E3DError as error:
        return failed_outcome(image_set.name, task.digest, error, time.monotonic() - started_s)
    return dataclasses.replace(made, seconds=time.monotonic() - started_s)


def _reconstruct(image_set: ImageSet, task: Task) -> Outcome:
    from e2e3d.api import run_job
    from e2e3d.pipeline.read_request import read_options, read_request

    settings = load_settings(store=task.store, ray_address=task.address)
    with tempfile.TemporaryDirectory(prefix="e2e3d-set-") as scratch:
        photos = local_copy(image_set.photos, settings.s3_options, Path(scratch) / "photographs")
        local = "://" not in task.results
        out = Path(task.results) if local else Path(scratch) / "out"
        options = read_options(
            image_set.intrinsics, image_set.masks, scale=image_set.scale, known_distance=image_set.known_distance
        )
        request = read_request(photos, image_set.quality, image_set.settings, options)
        result = run_job(request, out, settings, lambda report: None)
        if not local:
            _upload(out, task.results, settings)
    judgement, counts = result.judgement, result.manifest.counts
    return Outcome(
        image_set.name,
        SUCCEEDED,
        task.digest,
        0.0,
        judgement=judgement.verdict,
        reasons=tuple(reason.message for reason in judgement.reasons),
        photographs=counts.photographs,
        registered=counts.registered,
        faces=counts.faces,
    )


def _upload(out: Path, results: str, settings: Settings) -> None:
    """Bring the files of a result to where they are wanted, the manifest last: where it is, all is."""
    target = open_objects(results, settings.s3_options)
    paths = sorted(
        path for path in out.rglob("*") if path.is_file() and not path.relative_to(out).parts[0].startswith(".")
    )
    for path in sorted(paths, key=lambda path: path.name == "manifest.json"):
        with path.open("rb") as file:
            target.write(path.relative_to(out).as_posix(), iter(lambda file=file: file.read(1 << 20), b""))  # type: ignore[misc]


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
