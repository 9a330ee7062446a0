"""Whether this process lives, and whether what it needs is there."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response

from e2e3d.service.health.wire import Part, Readiness
from e2e3d.service.http.wire import ResponseModel
from e2e3d.service.sign_in.dependencies import is_operator

router = APIRouter(tags=["Health"])


class Live(ResponseModel):
    """This process answers."""

    status: Literal["ok"] = "ok"


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
    return Readiness(status="ok" if ready else "failed", parts=_parts(problems) if is_operator(request) else None)


def _parts(problems: dict[str, str | None]) -> dict[str, Part]:
    return {
        name: Part(status="ok") if problem is None else Part(status="failed", detail=problem)
        for name, problem in problems.items()
    }
