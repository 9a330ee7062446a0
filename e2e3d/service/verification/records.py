"""Records of what the store should have and does not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StoredFile:
    """A file that the database says the store has: `key` is a hash for photographs, and a name for results."""

    key: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class LostFile:
    """A row whose bytes are lost.

    Attributes:
        kind: ``photograph`` of an image set, ``job-input`` of a job that may run or be retried, or ``result`` of a job.
        holder_id: the image set or the job.
        owner: the email address of whoever it belongs to.
        name: of the photograph or result.
        problem: ``missing``, ``damaged``, or such as ``5 bytes instead of 9``.
    """

    kind: str
    holder_id: str
    owner: str
    name: str
    sha256: str
    problem: str
