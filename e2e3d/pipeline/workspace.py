"""The OUT folder of a run: made, locked against a second run, with the run's own files below ``.e2e3d``."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from e2e3d.errors import MachineError
from e2e3d.storage.failures import write_error

PRIVATE_FOLDER = ".e2e3d"


def default_store(out: Path) -> str:
    """Where results are kept unless a store is set: inside OUT, so that deleting OUT deletes everything."""
    return str(out / PRIVATE_FOLDER / "store")


@contextlib.contextmanager
def locked_folder(out: Path) -> Iterator[Path]:
    """Make `out` and hold it for one run; yields its private folder.

    The lock belongs to the open file and ends with the process, however that ends, so it can never be left behind.

    Raises:
        MachineError: ``output-in-use`` while another run holds it; ``no-permission``, ``disk-full``, ``write-failed``.
    """
    private = out / PRIVATE_FOLDER
    path = private / "lock"
    try:
        private.mkdir(parents=True, exist_ok=True)
        lock = path.open("a+")
    except OSError as error:
        raise write_error(out, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise MachineError(
                "output-in-use",
                f"Another run ({lock.read().strip() or 'of unknown origin'}) is writing to {out}.",
                "Wait for it to end, or choose another folder.",
            ) from error
        try:
            lock.truncate(0)
            lock.write(f"process {os.getpid()} on {socket.gethostname()}")
            lock.flush()
        except OSError as error:
            raise write_error(path, error) from error
        yield private
