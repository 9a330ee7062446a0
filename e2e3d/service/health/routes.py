"""Whether this process lives, and whether what it needs is there."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from e2e3d.service.sign_in.dependencies import is_operator

router = APIRouter(tags=["Health"])


class Live(BaseModel):
    """This process answers."""

    status: Literal["ok"] = "ok"


class Part(BaseModel):
    """One of the things that the service needs."""

    status: Literal["ok", "failed"]
    detail: str | None = None


class Readiness(BaseModel):
    """Whether requests can be served, and for operators each part that this needs."""

    status: Literal["ok", "failed"]
    parts: dict[str, Part] | None = Field(
        default=None, examples=[{"database": {"status": "ok"}, "store": {"status": "failed", "detail": "disk-full"}}]
    )


@router.get("/livez", summary="Is this process alive?")
async def livez() -> Live:
    """Always the same answer, without asking anything else."""
    return Live()


@router.get(
    "/readyz",
    summary="Can requests be served?",
    responses={503: {"model": Readiness}},
    response_model_exclude_none=True,
)
def readyz(request: Request, response: Response) -> Readiness:
    """Writes to the database and the store, looks at the free space and asks Ray, for at most three seconds.

    Each part is named to administrators, and to whoever sends the token of the metrics.
    """
    problems = request.app.state.readiness.ask()
    ready = not any(problems.values())
    if not ready:
        response.status_code = 503
    status: Literal["ok", "failed"] = "ok" if ready else "failed"
    return Readiness(status=status, parts=_parts(problems) if is_operator(request) else None)


def _parts(problems: dict[str, str | None]) -> dict[str, Part]:
    return {
        name: Part(status="ok") if problem is None else Part(status="failed", detail=problem)
        for name, problem in problems.items()
    }
