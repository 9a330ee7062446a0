"""Looks at photographs for :mod:`e2e3d.service.intake.checkers`, in a process that may die of them.

A request is a JSON line and the bytes of the photograph; the answer is a JSON line: what was found, or a thumbnail.
Decoders are libraries in C that strangers' bytes are fed to: here they meet a limit of memory and, for each photograph,
one of CPU time, both of the kernel, and reach neither the database nor the store.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import resource
import select
import sys
from pathlib import Path
from typing import Any, BinaryIO

import cv2

from e2e3d.runtime.priority import compute_behind_answers
from e2e3d.service.image_sets.records import Finding, PhotoFacts
from e2e3d.service.intake.checkers import CPU_S, IDLE_S, MEMORY_BYTES
from e2e3d.service.intake.photo_check import check_photo
from e2e3d.service.intake.thumbnails import encode_thumbnail


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the requests end, which they do when the process that asks has gone, or stay away for long."""
    while select.select([requests], [], [], IDLE_S)[0]:
        line = requests.readline()
        if not line:
            return
        request = json.loads(line)
        data = requests.read(request["bytes"])
        if len(data) < request["bytes"]:
            return
        allow_cpu(CPU_S)
        if request.get("thumbnail"):
            answer = _thumbnail(data)
        else:
            answer = dataclasses.asdict(_look(request["name"], data, request["sha256"]))
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


def _thumbnail(data: bytes) -> dict[str, Any]:
    try:
        return {"jpeg": base64.b64encode(encode_thumbnail(data)).decode()}
    except Exception as error:  # noqa: BLE001 - any error of a decoder is an error of its file
        return {"problem": f"{type(error).__name__}: {error}"}


def _look(name: str, data: bytes, sha256: str) -> PhotoFacts:
    try:
        return check_photo(name, data, sha256)
    except MemoryError:
        message = f"Decoding the picture takes more than {MEMORY_BYTES >> 30} GiB of memory. Send it as a plain JPEG."
        return PhotoFacts(sha256, len(data), "", findings=(Finding("photo-too-large", message, True),))
    except Exception as error:  # noqa: BLE001 - any error of a decoder is an error of its file
        message = f"The picture cannot be decoded ({type(error).__name__}: {error}). Save it again in an editor."
        return PhotoFacts(sha256, len(data), "", findings=(Finding("photo-unreadable", message, True),))


def limit_memory(memory_bytes: int) -> None:
    """Limit this process to so much beside what its libraries have reserved by now; Linux only, nothing elsewhere."""
    if not sys.platform.startswith("linux"):
        return
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + memory_bytes)


def allow_cpu(seconds: int) -> None:
    """From now on; the kernel ends the process after it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(usage.ru_utime + usage.ru_stime) + 1 + seconds)


def _limit(kind: int, most: int) -> None:
    """Set a limit, within that of the service."""
    _, outer = resource.getrlimit(kind)
    resource.setrlimit(kind, (most if outer == resource.RLIM_INFINITY else min(most, outer), outer))


def set_apart() -> BinaryIO:
    """Where to write answers; what libraries print goes nowhere, so that nobody can write into the service's log."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return answers


def main() -> None:
    """The process."""
    compute_behind_answers()
    cv2.setNumThreads(1)
    limit_memory(MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(sys.stdin.buffer, set_apart())


if __name__ == "__main__":
    main()
