"""Chooses the frames of one video for :mod:`e2e3d.service.intake.video_frames`, in a process that may die of it.

Prints one JSON object: the names of the frames that it has written into the folder, or an error.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import cv2

from e2e3d.config.frames import FramesConfig
from e2e3d.errors import InputError
from e2e3d.runtime.child_processes import die_with
from e2e3d.runtime.priority import compute_behind_answers
from e2e3d.service.intake.check_process import allow_cpu, limit_memory, set_apart
from e2e3d.service.intake.video_frames import CPU_S, FRAMES_FOLDER, MEMORY_BYTES
from e2e3d.stages.frames import frames_of_file


def choose(video: Path, name: str, folder: Path) -> dict[str, object]:
    """Write the chosen frames below `folder`; returns their names, or the error of the video."""
    try:
        chosen = frames_of_file(video, name, FramesConfig())
    except InputError as error:
        return {"error": [error.code, error.message, error.hint]}
    except MemoryError:
        message = f"Decoding {name} takes more than {MEMORY_BYTES >> 30} GiB of memory."
        return {"error": ["video-too-large", message, "Send it with fewer pixels."]}
    (folder / FRAMES_FOLDER).mkdir()
    for frame, start, end in zip(chosen.names, chosen.offsets[:-1], chosen.offsets[1:], strict=True):
        (folder / FRAMES_FOLDER / frame).write_bytes(chosen.data[start:end].tobytes())
    return {"frames": list(chosen.names)}


def main() -> None:
    """The process: its arguments are the video, its name, the folder, and the process that waits."""
    video, name, folder, parent = sys.argv[1:]
    die_with(int(parent))
    compute_behind_answers()
    cv2.setNumThreads(1)
    limit_memory(MEMORY_BYTES)
    allow_cpu(CPU_S)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with set_apart() as answers:
        answers.write(json.dumps(choose(Path(video), name, Path(folder))).encode())


if __name__ == "__main__":
    main()
