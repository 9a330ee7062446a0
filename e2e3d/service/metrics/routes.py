"""Metrics, as Prometheus asks for them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from e2e3d.service.http.problems import problem_responses
from e2e3d.service.sign_in.dependencies import Operator, ServicesOf

router = APIRouter(tags=["Health"], responses=problem_responses(401, 403, 503))


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(request: Request, _operator: Operator, services: ServicesOf) -> Response:
    """Requests, jobs by state, queue, stages, bytes, failures and what is ready; of users the ids, no personal data.

    For whoever sends the token that the operator has set (`E2E3D_METRICS_TOKEN`), and for administrators.
    """
    problems = request.app.state.readiness.ask()
    folders = dict.fromkeys((*services.settings.local_folders, services.settings.home))
    text = request.app.state.metrics.text(services.database, problems, folders)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
