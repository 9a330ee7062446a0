"""The threads that routes run in, kept from one request to the next.

AnyIO ends a worker thread with the task at the root of the one that asked for it. Under uvicorn that is the server; Ray
Serve runs every request as a root of its own, so each would start threads and end them again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from anyio._backends import _asyncio as backend
from fastapi import FastAPI

_LOG = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def keep_threads(_app: FastAPI) -> AsyncIterator[None]:
    """As the lifespan of an application: threads belong to its task, which lives as long as the application.

    AnyIO has no public way to say so; with one that keeps its roots elsewhere requests are slower, and the log says so.
    """
    root = getattr(backend, "_root_task", None)
    if root is None:
        _LOG.warning("This AnyIO does not let requests share their threads; each of them starts its own.")
        yield
        return
    before = root.get(None)
    root.set(asyncio.current_task())
    try:
        yield
    finally:
        root.set(before)
