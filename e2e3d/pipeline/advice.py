"""Checks settings and forecasts costs for :mod:`e2e3d.pipeline.advisor`: one JSON line in, one out.

It exists because the configuration of the stages comes with the libraries that the stages compute with, which a process
that only answers HTTP should not carry.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

from e2e3d.errors import E2E3DError
from e2e3d.pipeline.forecast import StageTime, forecast
from e2e3d.pipeline.run import configure


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Check ``quality`` and ``settings``, and forecast ``photos`` of ``megapixels`` each from ``history``."""
    try:
        configure(question["quality"], question["settings"])
        times = [StageTime(**time) for time in question["history"]]
        size = (question["photos"], question["megapixels"])
        return {"forecast": dataclasses.asdict(forecast(*size, question["quality"], times, question["cores"]))}
    except E2E3DError as error:
        return {"error": [type(error).__name__, error.code, error.message, error.hint]}
    except Exception as error:  # noqa: BLE001 - the process that asked must learn of it
        return {"mistake": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Answer until the questions end, which they do when the process that asks has gone."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
