"""Metrics, as Prometheus asks for them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from e2e3d.serve.auth.dependencies import ServicesOf

router = APIRouter(tags=["Health"])


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(request: Request, services: ServicesOf) -> Response:
    """Requests, jobs by state, queue, stages, bytes and failures; no personal data."""
    return Response(request.app.state.metrics.text(services.database), media_type=CONTENT_TYPE_LATEST)
