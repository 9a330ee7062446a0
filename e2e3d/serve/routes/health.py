"""Whether this process lives, and whether what it needs is there."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
from collections.abc import Mapping
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from e2e3d.errors import E2E3DError
from e2e3d.serve.auth.dependencies import ServicesOf
from e2e3d.serve.services import Check, Services

router = APIRouter(tags=["Health"])
_LIMIT_S = 3.0
_LOG = logging.getLogger("e2e3d.serve")


class Live(BaseModel):
    """This process answers."""

    status: Literal["ok"] = "ok"


class Part(BaseModel):
    """One of the things that the service needs."""

    status: Literal["ok", "failed"]
    detail: str | None = None


class Readiness(BaseModel):
    """Whether requests can be served, and each part that this needs."""

    status: Literal["ok", "failed"]
    parts: dict[str, Part] = Field(examples=[{"database": {"status": "ok"}, "store": {"status": "ok"}}])


@router.get("/livez", summary="Is this process alive?")
async def livez() -> Live:
    """Always the same answer, without asking anything else."""
    return Live()


@router.get("/readyz", summary="Can requests be served?", responses={503: {"model": Readiness}})
def readyz(services: ServicesOf, response: Response) -> Readiness:
    """Asks the database, the store and Ray, each for at most three seconds."""
    parts = _asked({"database": services.database.check, "store": lambda: _check_store(services), **services.checks})
    ready = all(part.status == "ok" for part in parts.values())
    if not ready:
        response.status_code = 503
    return Readiness(status="ok" if ready else "failed", parts=parts)


def _check_store(services: Services) -> None:
    services.files.size("health/probe")


def _asked(checks: Mapping[str, Check]) -> dict[str, Part]:
    answers = {name: _in_background(check) for name, check in checks.items()}
    concurrent.futures.wait(answers.values(), timeout=_LIMIT_S)
    return {name: _part(name, answer) for name, answer in answers.items()}


def _in_background(check: Check) -> concurrent.futures.Future[None]:
    """Run a check in a thread of its own, so that one that hangs holds up nothing else."""
    answer: concurrent.futures.Future[None] = concurrent.futures.Future()

    def work() -> None:
        try:
            check()
        except BaseException as error:  # noqa: BLE001 -- whatever it is, it goes to the one who asks
            answer.set_exception(error)
        else:
            answer.set_result(None)

    threading.Thread(target=work, daemon=True, name="readyz").start()
    return answer


def _part(name: str, answer: concurrent.futures.Future[None]) -> Part:
    if not answer.done():
        return Part(status="failed", detail=f"No answer within {_LIMIT_S:.0f} s.")
    error = answer.exception()
    if error is None:
        return Part(status="ok")
    _LOG.warning("%s is not ready: %s", name, error)
    return Part(status="failed", detail=error.code if isinstance(error, E2E3DError) else type(error).__name__)
