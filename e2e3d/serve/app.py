"""The application: routes and what surrounds them, made from services, without Ray."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from importlib.metadata import version

from anyio import to_thread
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from e2e3d.errors import MachineError
from e2e3d.runtime.tracing import stop_tracing
from e2e3d.serve.client_address import ClientAddressFinder
from e2e3d.serve.middleware import RequestMiddleware
from e2e3d.serve.openapi import describe
from e2e3d.serve.request_tasks import InRequestTasks, RequestTasks
from e2e3d.serve.web_page import page_router
from e2e3d.service.accounts import own_routes as me
from e2e3d.service.accounts import routes as users
from e2e3d.service.administration import routes as admin
from e2e3d.service.annotations import routes as notes
from e2e3d.service.events import routes as events
from e2e3d.service.health import routes as health
from e2e3d.service.health.readiness import Readiness, checks_of
from e2e3d.service.http.bodies import BodyLimits, no_cap
from e2e3d.service.http.bounded_downloads import BoundedResponses
from e2e3d.service.http.bounded_uploads import BodyLimitBehindServe, ReadReports
from e2e3d.service.http.problems import add_handlers
from e2e3d.service.image_sets import routes as image_sets
from e2e3d.service.jobs import routes as jobs
from e2e3d.service.metrics import routes as metrics
from e2e3d.service.metrics.metrics import RequestMetrics
from e2e3d.service.open_id import routes as open_id
from e2e3d.service.overview import routes as overview
from e2e3d.service.results import routes as results
from e2e3d.service.services import Services
from e2e3d.service.sharing import routes as sharing
from e2e3d.service.sharing.previews import preview_of
from e2e3d.service.sign_in import api_key_routes as api_keys
from e2e3d.service.sign_in import routes as tokens
from e2e3d.service.sign_in import session_routes as sessions
from e2e3d.service.uploads import presigned_routes as presigned
from e2e3d.service.uploads import routes as photo_uploads
from e2e3d.service.uploads import tus_routes as tus
from e2e3d.service.webhooks import routes as webhooks

ROUTERS: tuple[APIRouter, ...] = (
    jobs.router,  # asked most often, and routes are looked through in order
    tokens.router,
    sessions.router,
    open_id.router,
    me.router,
    api_keys.router,
    users.router,
    webhooks.router,
    admin.router,
    overview.router,
    image_sets.router,
    photo_uploads.router,
    tus.router,
    presigned.router,
    results.router,
    notes.router,
    sharing.router,
    events.router,
    health.router,
    metrics.router,
)


def create_app(services: Services, behind_serve: bool = False) -> FastAPI:
    """The application that answers with these services; making it connects to nothing.

    Args:
        services: what the routes work with.
        behind_serve: whether Ray Serve calls it; the services then end with the application.
    """
    tasks = RequestTasks()
    app = FastAPI(
        title="E2E3D",
        version=version("e2e3d"),
        summary="Photographs in, textured 3D models out",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
        lifespan=_lifespan(services, tasks) if behind_serve else None,
    )
    app.state.services = services
    app.state.metrics = RequestMetrics()
    app.state.readiness = Readiness(checks_of(services))
    add_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(page_router(partial(_head_of_shared, services)))
    cap = BodyLimitBehindServe() if behind_serve else no_cap
    app.add_middleware(BodyLimits, large_bytes=services.settings.max_upload_bytes, cap=cap)
    app.add_middleware(
        RequestMiddleware,
        metrics=app.state.metrics,
        origin=ClientAddressFinder(services.settings.trusted_proxies, services.settings.front_token),
        names_answers=not behind_serve,
    )
    app.add_middleware(BoundedResponses)
    if behind_serve:
        app.add_middleware(ReadReports)
        app.add_middleware(InRequestTasks, tasks=tasks)
    describe(app)
    return app


def _lifespan(
    services: Services, tasks: RequestTasks
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with tasks.running():
            yield
        services.close()
        await to_thread.run_sync(stop_tracing)

    return lifespan


def _head_of_shared(services: Services, token: str) -> str:
    """What stands in the head of a shared model's view; nothing while the database is away."""
    try:
        preview = preview_of(services, token)
    except MachineError:
        return ""
    return "" if preview is None else preview.tags()


def _operation_id(route: APIRoute) -> str:
    return route.name
