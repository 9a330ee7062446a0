"""Brings the log lines of the replicas to the standard error of the service: Ray keeps theirs in files of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
from collections.abc import Iterator

from e2e3d.runtime.logs import LOG_SOCKET
from e2e3d.runtime.private_folders import new_folder

_LINE_BYTES = 1 << 20


@contextlib.contextmanager
def collected_logs() -> Iterator[None]:
    """Copy to standard error what processes that are started while the block runs log."""
    folder = new_folder()
    path = folder / "log"
    taker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    taker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _LINE_BYTES)
    taker.bind(str(path))
    os.environ[LOG_SOCKET] = str(path)
    threading.Thread(target=_copy, args=(taker,), name="log", daemon=True).start()
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(taker: socket.socket) -> None:
    while True:
        line = memoryview(taker.recv(_LINE_BYTES))
        while line:
            line = line[os.write(2, line) :]
