"""Bodies wait for whoever reads them, also inside Ray Serve.

Serve's proxy reads a request as fast as the client sends it, and the replica fetches it as fast as the proxy has it.
Both keep what is not consumed yet in queues without an end (Ray 2.60, `ray/serve/_private/http_util.py`). A gigabyte
that is uploaded would lie in memory. Here these queues are bounded: their writers wait, and TCP makes the client wait.
The way back is bounded by ``service/http/downloads.py``.

A replica fetches nothing before the application asks for it: most requests have no body, and the call into the proxy
that waits for one, or for the client to go away, costs as much as the answer. When the client goes away, the proxy ends
the request anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from e2e3d.service.http.downloads import WrittenReports
from e2e3d.service.http.request_ids import SafeRequestIds

_QUEUED_BYTES = 4 << 20
_QUEUED_MESSAGES = 16
_LOOK_S = 0.005
_MARK = "_e2e3d_bounded"


def proxy_callback() -> list[Any]:
    """What RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH names: called in every proxy when it starts."""
    import uvicorn
    from starlette.middleware import Middleware

    bound_queues()
    uvicorn.Server.main_loop = _once_a_second  # type: ignore[method-assign, assignment]
    return [Middleware(SafeRequestIds), Middleware(WrittenReports)]


async def _once_a_second(server: Any) -> None:
    """Uvicorn's loop wakes an idle proxy ten times a second, to see whether it should end and what the date is."""
    while not await server.on_tick(0):
        await asyncio.sleep(1.0)


def bound_queues() -> None:
    """Bound the queues of bodies in this process; nothing happens when they are."""
    from ray.exceptions import TaskCancelledError
    from ray.serve._private.http_util import ASGIReceiveProxy, MessageQueue

    if hasattr(MessageQueue, _MARK):
        return
    put, make, receive = MessageQueue.__call__, ASGIReceiveProxy.__init__, ASGIReceiveProxy.__call__

    async def put_when_there_is_room(queue: Any, message: Any) -> None:
        while not queue._closed and _waiting_bytes(queue) > _QUEUED_BYTES:
            await asyncio.sleep(_LOOK_S)
        await put(queue, message)

    def make_patient(proxy: Any, scope: Any, request_metadata: Any, fetch: Callable[[Any], Awaitable[bytes]]) -> None:
        proxy._e2e3d_wanted = asyncio.Event()

        async def fetch_when_there_is_room(metadata: Any) -> bytes:
            await proxy._e2e3d_wanted.wait()
            while proxy.queue.qsize() > _QUEUED_MESSAGES:
                await asyncio.sleep(_LOOK_S)
            try:
                return await fetch(metadata)
            except (
                TaskCancelledError
            ) as error:  # with the request, whose client has gone; Serve takes KeyError for that
                raise KeyError("the request has ended") from error

        make(proxy, scope, request_metadata, fetch_when_there_is_room)

    async def receive_at_last(proxy: Any) -> Any:
        proxy._e2e3d_wanted.set()
        return await receive(proxy)

    MessageQueue.__call__ = put_when_there_is_room
    ASGIReceiveProxy.__init__ = make_patient
    ASGIReceiveProxy.__call__ = receive_at_last
    setattr(MessageQueue, _MARK, True)


def _waiting_bytes(queue: Any) -> int:
    return sum(len(message.get("body") or b"") for message in list(queue._message_queue) if isinstance(message, dict))
