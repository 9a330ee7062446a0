"""What a run does to the logging of the program that calls it: nothing that lasts."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from e2e3d.runtime.logs import run_logging


def test_a_run_leaves_all_loggers_as_they_were(tmp_path: Path) -> None:
    names = ("e2e3d", "ray", "numba", "PIL", "botocore", "s3fs", "aiobotocore", "asyncio", "fsspec", "httpx")
    before = {name: (logging.getLogger(name).level, logging.getLogger(name).propagate) for name in names}
    handlers = list(logging.getLogger("e2e3d").handlers)
    with run_logging(tmp_path / "run.log", "run-1", "info"):
        logging.getLogger("e2e3d.test").info("kept")
        logging.getLogger("e2e3d.test").debug("dropped")
    assert {name: (logging.getLogger(name).level, logging.getLogger(name).propagate) for name in names} == before
    assert logging.getLogger("e2e3d").handlers == handlers
    (line,) = (tmp_path / "run.log").read_text().splitlines()
    assert (json.loads(line)["message"], json.loads(line)["run"]) == ("kept", "run-1")
