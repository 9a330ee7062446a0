"""What became of the image sets of a batch: one file a set, and ``results.jsonl`` with a line for each."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass

from e2e3d.errors import E2E3DError, MachineError
from e2e3d.storage.objects import ObjectStore

OUTCOME_NAME = "outcome.json"
RESULTS_NAME = "results.jsonl"
SUCCEEDED, FAILED = "succeeded", "failed"


@dataclass(frozen=True)
class Outcome:
    """The end of one image set.

    Attributes:
        name: of the set.
        state: ``succeeded`` or ``failed``.
        digest: of what was asked for, see :meth:`~e2e3d.batch.requests.ImageSet.digest`.
        seconds: wall time of the attempt that ended it.
        judgement: ``good`` or ``doubtful``, of a model; `reasons` why it is doubtful.
        photographs, registered, faces: how many.
        code, message, hint: of the error, when it failed.
        final: whether the same photographs and settings will fail again: a new try is of no use.
    """

    name: str
    state: str
    digest: str
    seconds: float
    judgement: str = ""
    reasons: tuple[str, ...] = ()
    photographs: int = 0
    registered: int = 0
    faces: int = 0
    code: str = ""
    message: str = ""
    hint: str = ""
    final: bool = True

    def line(self) -> str:
        """For people."""
        if self.state == SUCCEEDED:
            doubts = f": {'; '.join(self.reasons)}" if self.reasons else ""
            cameras = f"{self.registered} of {self.photographs} photographs"
            return f"{self.name}: {self.judgement}{doubts} ({cameras}, {self.faces:,} faces, {self.seconds:.0f} s)"
        return f"{self.name}: failed [{self.code}] {self.message} {self.hint}".rstrip()


def failed_outcome(name: str, digest: str, error: E2E3DError, seconds: float) -> Outcome:
    """The end of a set that met an error; what the machine lacks may be there the next time."""
    final = not isinstance(error, MachineError)
    return Outcome(name, FAILED, digest, seconds, code=error.code, message=error.message, hint=error.hint, final=final)


def outcome_from_json(data: bytes) -> Outcome:
    """Read what :func:`outcome_to_json` wrote. Raises ValueError, TypeError or KeyError where it is something else."""
    values = json.loads(data)
    return Outcome(**values | {"reasons": tuple(values["reasons"])})


def outcome_to_json(outcome: Outcome) -> bytes:
    """One line of JSON."""
    return json.dumps(dataclasses.asdict(outcome)).encode() + b"\n"


def read_outcome(files: ObjectStore, name: str) -> Outcome | None:
    """The end of a set that an earlier run of the batch wrote; None when there is none, or none that can be read.

    Raises:
        MachineError: as the store says.
    """
    try:
        return outcome_from_json(b"".join(files.read(f"{name}/{OUTCOME_NAME}")))
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def write_outcome(files: ObjectStore, outcome: Outcome) -> None:
    """Keep the end of a set; the files of its model are there already. Raises MachineError as the store says."""
    files.write(f"{outcome.name}/{OUTCOME_NAME}", [outcome_to_json(outcome)])


def write_results(files: ObjectStore, outcomes: Iterable[Outcome]) -> None:
    """Write ``results.jsonl``. Raises MachineError as the store says."""
    files.write(RESULTS_NAME, map(outcome_to_json, outcomes))
