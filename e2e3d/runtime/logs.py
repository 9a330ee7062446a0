"""Logging of runs and of the service: one JSON object a line, warnings on the terminal, and quiet libraries."""

from __future__ import annotations

import contextlib
import contextvars
import datetime
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_NOISY = (
    "numba",
    "PIL",
    "matplotlib",
    "fsspec",
    "s3fs",
    "botocore",
    "aiobotocore",
    "asyncio",
    "urllib3",
    "ray",
    "trimesh",
)


LOG_SOCKET = "E2E3D_LOG_SOCKET"
"""Names a Unix socket that takes the lines of processes whose own standard error nobody sees."""

request_id_of_log: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id_of_log", default=None)
trace_id_of_log: contextvars.ContextVar[str | None] = contextvars.ContextVar("trace_id_of_log", default=None)


def service_logging(level: str, as_json: bool, **members: str) -> None:
    """Log the package to standard error, or to the socket that `LOG_SOCKET` names, from now on, in a service's process.

    Args:
        level: lowest level that is kept.
        as_json: one JSON object a line; otherwise text for people.
        members: stand in every line, such as ``process="replica"``.
    """
    path = os.environ.get(LOG_SOCKET)
    handler = logging.StreamHandler(sys.stderr) if path is None else _Datagrams(path)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines(members=members) if as_json else text)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    logger = logging.getLogger("e2e3d")
    for old in list(logger.handlers):
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    logger.propagate = False


class _Datagrams(logging.Handler):
    """Sends each line to a socket, whole and without waiting; to standard error where nobody takes it."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def emit(self, record: logging.LogRecord) -> None:
        """See :class:`logging.Handler`."""
        line = f"{self.format(record)}\n"
        try:
            self._socket.sendto(line.encode("utf-8", "backslashreplace"), self._path)
        except OSError:
            sys.stderr.write(line)


@contextlib.contextmanager
def run_logging(path: Path, run_id: str, level: str) -> Iterator[None]:
    """Log the package to `path` while the block runs; what workers log arrives here with their units.

    Args:
        path: file that lines are appended to.
        run_id: stands in every line.
        level: lowest level that is kept: ``debug``, ``info``, ``warning`` or ``error``.
    """
    logger = logging.getLogger("e2e3d")
    file = logging.FileHandler(path, encoding="utf-8")
    file.setFormatter(JsonLines(run_id))
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.WARNING)
    terminal.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    propagated = logger.propagate
    levels = {each: each.level for each in (logger, *map(logging.getLogger, _NOISY))}
    for each in levels:
        each.setLevel(logging.ERROR)
    logger.setLevel(level.upper())
    logger.propagate = False
    logger.addHandler(file)
    logger.addHandler(terminal)
    try:
        yield
    finally:
        logger.removeHandler(file)
        logger.removeHandler(terminal)
        file.close()
        logger.propagate = propagated
        for each, before in levels.items():
            each.setLevel(before)


class JsonLines(logging.Formatter):
    """One JSON object a record: time, level, the given members, ids of request and trace, and what the record brings.

    Args:
        run_id: of the run or job that the process works on; None = the process serves many.
        members: stand in every line.
    """

    def __init__(self, run_id: str | None = None, members: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._members = ({} if run_id is None else {"run": run_id}) | dict(members or {})

    def format(self, record: logging.LogRecord) -> str:
        """See :class:`logging.Formatter`."""
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": time, "level": record.levelname.lower(), **self._members, "logger": record.name}
        request_id = request_id_of_log.get()
        if request_id is not None:
            line["request"] = request_id
        trace_id = trace_id_of_log.get()
        if trace_id is not None:
            line["trace"] = trace_id
        line.update(getattr(record, "members", {}))
        line["message"] = record.getMessage()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
