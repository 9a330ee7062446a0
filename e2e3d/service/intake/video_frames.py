"""A video that was uploaded becomes its frames, chosen by a process that may die of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from e2e3d.config.frames import VIDEO_SUFFIXES
from e2e3d.errors import InputError
from e2e3d.pipeline.sources.source_files import SourceEntry
from e2e3d.storage.failures import machine_errors

CPU_S = 1800
"""CPU time for one video: an hour of 4K takes less."""

MEMORY_BYTES = 2 << 30
"""Beside what the libraries reserve."""

FRAMES_FOLDER = "frames"
_POLL_S = 5.0
_COPY_BYTES = 1 << 20
_PLACES = threading.BoundedSemaphore(2)  # a user's imports run one after another, so that nobody has both for long


def is_video(name: str) -> bool:
    """Whether a file is a video by its name."""
    return PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES


def frames_of_video(name: str, file: BinaryIO, folder: Path, going: Callable[[], bool]) -> list[SourceEntry] | None:
    """Choose the frames of a video, as ``e2e3d run`` does: the same video always gives the same ones.

    Args:
        name: what its owner calls it; the frames are named after it.
        file: its bytes, which are copied in blocks.
        folder: an empty one, for the copy and the frames.
        going: asked every few seconds, whether the work is still wanted.

    Returns:
        the frames in order of time; None when the work is no longer wanted.

    Raises:
        InputError: ``video-unreadable``, ``video-still``, ``video-too-large``.
        MachineError: of the store or the disk.
    """
    video = folder / f"video{PurePosixPath(name).suffix.lower()}"
    with machine_errors(video), video.open("wb") as copy:
        while block := file.read(_COPY_BYTES):
            copy.write(block)
            if not going():
                return None
    while not _PLACES.acquire(timeout=_POLL_S):
        if not going():
            return None
    try:
        answer = _answer(name, video, folder, going)
    finally:
        _PLACES.release()
    if answer is None:
        return None
    if "error" in answer:
        raise InputError(*answer["error"])
    return [
        _entry(PurePosixPath(name).with_name(frame).as_posix(), folder / FRAMES_FOLDER / frame)
        for frame in answer["frames"]
    ]


def _entry(name: str, path: Path) -> SourceEntry:
    return SourceEntry(name, path.read_bytes, size_bytes=path.stat().st_size)


def _answer(name: str, video: Path, folder: Path, going: Callable[[], bool]) -> dict[str, Any] | None:
    module = "e2e3d.service.intake.video_process"
    command = [sys.executable, "-m", module, str(video), PurePosixPath(name).name, str(folder), str(os.getpid())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            output = _output(process, going)
        finally:
            process.kill()
    if output is None:
        return None
    if process.returncode == 0:
        return dict(json.loads(output))
    if -process.returncode in (signal.SIGXCPU, signal.SIGKILL):
        message = f"Choosing frames of {name} takes more than {CPU_S} s, or too much memory."
        raise InputError("video-too-large", message, "Send a shorter part of it, or with fewer pixels.")
    raise InputError(
        "video-unreadable", f"{name} cannot be decoded: its decoder crashed.", "Convert it to mp4 (H.264)."
    )


def _output(process: subprocess.Popen[bytes], going: Callable[[], bool]) -> bytes | None:
    """What the process prints until it ends; None when that is no longer wanted."""
    while True:
        try:
            return process.communicate(timeout=_POLL_S)[0]
        except subprocess.TimeoutExpired:
            if not going():
                return None
