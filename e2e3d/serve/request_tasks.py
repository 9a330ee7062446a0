"""Requests as children of one task, so that they share the threads that routes run in.

AnyIO ends a worker thread with the task at the root of the one that asked for it. Under uvicorn that is the server; Ray
Serve runs every request as a root of its own, so each would start threads and end them again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import anyio
from anyio.abc import TaskGroup
from starlette.types import ASGIApp, Receive, Scope, Send


class RequestTasks:
    """Starts requests in a group that lives as long as the application."""

    def __init__(self) -> None:
        self._group: TaskGroup | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """For the lifespan of the application: requests that still run at its end are cancelled."""
        async with anyio.create_task_group() as group:
            self._group = group
            try:
                yield
            finally:
                self._group = None
                group.cancel_scope.cancel()

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request in the group; its errors and its cancellation are those of this call."""
        if self._group is None:
            await app(scope, receive, send)
            return
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        own = anyio.CancelScope()
        self._group.start_soon(_serve, app, scope, receive, send, own, ended)
        try:
            await ended
        except asyncio.CancelledError:
            own.cancel()
            raise


async def _serve(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, own: anyio.CancelScope, ended: asyncio.Future[None]
) -> None:
    try:
        with own:
            await app(scope, receive, send)
            if not ended.done():
                ended.set_result(None)
    except Exception as error:  # noqa: BLE001 -- whoever waits for the request raises it
        if not ended.done():
            ended.set_exception(error)
    finally:
        ended.cancel()


class InRequestTasks:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, tasks: RequestTasks) -> None:
        self._app = app
        self._tasks = tasks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:
            await self._tasks.run(self._app, scope, receive, send)
