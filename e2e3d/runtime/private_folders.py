"""Folders of sockets and logs; this module does not import Ray."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

import psutil

from e2e3d.errors import MachineError


def new_folder() -> Path:
    """A folder for sockets and logs of this process; those of processes that were killed are removed.

    It lies in the system's temporary folder because the paths of sockets must stay short. Anybody may make a folder of
    that name there, so it is used only if it is our own, and only the owner may look into it: Ray opens what it makes.

    Raises:
        MachineError: ``temporary-folder``.
    """
    root = Path(tempfile.gettempdir()) / f"e2e3d-ray-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise MachineError(
            "temporary-folder", f"{root} belongs to somebody else.", "Remove it, or set TMPDIR to a folder of your own."
        )
    root.chmod(0o700)
    for folder in root.iterdir():
        if not psutil.pid_exists(int(folder.name.partition("-")[0])):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=root))
