"""What users of the service are told of an error; its own words are for whoever sits at the machine.

Errors of the photographs, of settings and of the reconstruction mean the same to both. What the machine lacks does not:
a user of the service can neither look at a path nor repeat a command, so these errors have other words here, and the
log of the service keeps their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from e2e3d.errors import CancelledError, E2E3DError, MachineError

_AGAIN = "Try again in a moment; tell the operator of the service if it stays."
_KEPT = "Retry the job later: what is finished is kept. Tell the operator of the service if it stays."
_OPERATOR = "Tell the operator of the service, whose log says more."
_UNKNOWN = ("The service lacks something that it needs for this.", _OPERATOR)

WORDS: dict[str, tuple[str, str]] = {
    "artifact-damaged": ("A part of the job that had been computed was damaged.", _KEPT),
    "artifact-missing": ("A part of the job that had been computed is missing.", _KEPT),
    "cancelled": ("The job was cancelled.", "Retry it: what is finished is kept."),
    "cluster-unreachable": ("The machines that compute jobs cannot be reached.", _KEPT),
    "database-away": ("The database of the service does not answer.", _AGAIN),
    "database-busy": ("The database of the service is busy.", "Try again in a moment."),
    "database-full": ("The database of the service has no space left.", _OPERATOR),
    "database-read-only": ("The database of the service cannot be written at present.", _AGAIN),
    "disk-full": ("The service has no space left.", _KEPT),
    "disk-low": ("The service has little space left.", _OPERATOR),
    "front-failed": ("The service could not be started.", _OPERATOR),
    "gpu-differs": ("The GPU of the service computes other results than its CPU.", _OPERATOR),
    "gpu-memory": ("The GPU of the service has too little memory for this.", "Lower depth.max_size_px or the quality."),
    "interrupted-too-often": (
        "The service stopped or broke down again and again while it computed the job.",
        "Retry it with a lower quality, in case it was this job that took too much memory; tell the operator of the "
        "service.",
    ),
    "missing-package": (
        "Matching again with a learned matcher is not installed on this service.",
        "Leave learned.enabled out, or ask the operator of the service for it.",
    ),
    "no-gpu": ("The service has no GPU, though it was set up to use one.", _OPERATOR),
    "no-gpu-libraries": ("The service lacks what it needs to use its GPU.", _OPERATOR),
    "no-permission": ("The service may not use its own storage.", _OPERATOR),
    "output-in-use": ("Another process works on the same files.", _KEPT),
    "photo-check": ("The service cannot look at photographs at present.", _AGAIN),
    "ray-failed": ("The processes that compute jobs could not be started.", _KEPT),
    "read-failed": ("The service could not read its storage.", _KEPT),
    "store-denied": ("The storage of the service refuses access.", _OPERATOR),
    "store-missing": ("The storage of the service does not exist.", _OPERATOR),
    "store-unknown": ("The storage of the service cannot be used.", _OPERATOR),
    "store-unreachable": ("The storage of the service does not answer.", _KEPT),
    "temporary-folder": ("The processes that compute jobs could not be started.", _OPERATOR),
    "too-little-memory": (
        "The machines of the service have too little memory for the job as it is set.",
        "Retry it with a lower quality, or a smaller depth.max_size_px.",
    ),
    "worker-died": (
        "The processes that computed the job died again and again, as they do when memory is short.",
        "Retry it with a lower quality, or tell the operator of the service.",
    ),
    "write-failed": ("The service could not write to its storage.", _KEPT),
}
"""What is wrong, and what a user can do, by the code of errors of the machine."""


def public_error(error: E2E3DError) -> E2E3DError:
    """The error as users of the service are told of it: the same kind and code."""
    if not isinstance(error, MachineError | CancelledError):
        return error
    return type(error)(error.code, *WORDS.get(error.code, _UNKNOWN))


def without_places(text: str, places: Iterable[str]) -> str:
    """`text` without paths and addresses that begin with one of `places`, which only the operator has to know.

    Args:
        text: any.
        places: folders and URLs; empty ones are passed over.
    """
    known = sorted(filter(None, places), key=len, reverse=True)
    if not known:
        return text
    return re.sub(rf"(?:{'|'.join(map(re.escape, known))})[^\s,;:()\"']*", "(storage of the service)", text)
