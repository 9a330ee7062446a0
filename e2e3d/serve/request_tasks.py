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
        request = _Request()
        self._group.start_soon(request.serve, app, scope, receive, send)
        await request.wait()


class _Request:
    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False
        self._error: BaseException | None = None
        self._ended = asyncio.Event()

    async def serve(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application in the task of the group; what it raises is kept for :meth:`wait`."""
        self._task = asyncio.current_task()
        try:
            if not self._cancelled:
                await app(scope, receive, send)
        except asyncio.CancelledError as error:
            self._error = error
            if not self._cancelled:  # the group has ended
                raise
        except Exception as error:  # noqa: BLE001 -- whoever waits for the request raises it
            self._error = error
        finally:
            self._ended.set()

    async def wait(self) -> None:
        """Wait for the end; a cancellation is passed on once, so that the application can still clean up."""
        try:
            await self._ended.wait()
        except asyncio.CancelledError:
            self._cancelled = True
            if self._task is not None:
                self._task.cancel()
            await self._ended.wait()
            raise
        if self._error is not None:
            raise self._error


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
