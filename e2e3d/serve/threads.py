"""The threads that routes run in, kept from one request to the next.

AnyIO ends a worker thread with the task at the root of the one that asked for it. Under uvicorn that is the server; Ray
Serve runs every request as a root of its own, so each would start threads and end them again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from anyio._backends._asyncio import _root_task
from fastapi import FastAPI


@contextlib.asynccontextmanager
async def keep_threads(_app: FastAPI) -> AsyncIterator[None]:
    """As the lifespan of an application: threads belong to its task, which lives as long as the application."""
    before = _root_task.get(None)
    _root_task.set(asyncio.current_task())
    try:
        yield
    finally:
        _root_task.set(before)
