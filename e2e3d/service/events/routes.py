"""Events of jobs as Server-Sent Events and over WebSockets, resumable by id."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, WebSocket, status
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response, StreamingResponse
from starlette.websockets import WebSocketDisconnect

from e2e3d.errors import E2E3DError
from e2e3d.service.events.records import EventRecord
from e2e3d.service.events.streams import start_of, stream
from e2e3d.service.http.problems import problem_responses, status_of
from e2e3d.service.services import Services
from e2e3d.service.sign_in.dependencies import ServicesOf, StreamReader, services_of, stream_reader

router = APIRouter(prefix="/v1", tags=["events"])

_SSE = "text/event-stream"
_SEND_S = 30.0
_MAX_ID = 2**63 - 1
After = Annotated[int | None, Query(ge=0, le=_MAX_ID, description="The id of the last event that you have.")]
LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", max_length=20, description="As `after`; browsers send it by themselves."),
]
_DOCUMENTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events: `id`, `event` (the type) and `data` (JSON), a comment every 15 s when nothing happens.",
        "content": {_SSE: {"schema": {"type": "string"}}},
    },
    204: {"description": "The job has ended, and there are no more events."},
    **problem_responses(401, 403, 404, 422, 429, 503),
}


@router.get("/events", summary="Follow all your jobs", responses=_DOCUMENTED, response_class=StreamingResponse)
def follow_all(
    caller: StreamReader, services: ServicesOf, after: After = None, last_event_id: LastEventId = None
) -> Response:
    """Every change of state, and progress at most twice a second a job, as Server-Sent Events from now on."""
    return _server_sent(services, caller.id, None, _position(after, last_event_id))


@router.get("/jobs/{job_id}/events", summary="Follow a job", responses=_DOCUMENTED, response_class=StreamingResponse)
def follow_job(
    job_id: str, caller: StreamReader, services: ServicesOf, after: After = None, last_event_id: LastEventId = None
) -> Response:
    """The events of a job as Server-Sent Events, from its first one on; the stream ends with the job."""
    return _server_sent(services, caller.id, job_id, _position(after, last_event_id))


@router.websocket("/events/ws")
async def socket_all(socket: WebSocket) -> None:
    """As ``/v1/events``, one JSON object a message."""
    await _serve_socket(socket, None)


@router.websocket("/jobs/{job_id}/events/ws")
async def socket_job(socket: WebSocket, job_id: str) -> None:
    """As ``/v1/jobs/{job_id}/events``, one JSON object a message."""
    await _serve_socket(socket, job_id)


def _server_sent(services: Services, user_id: str, job_id: str | None, after: int | None) -> Response:
    start = start_of(services, user_id, job_id, after)
    if start is None:
        return Response(status_code=status.HTTP_204_NO_CONTENT)
    until_s = time.monotonic() + services.settings.access_token_s
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    content = _as_text(stream(services, user_id, start, job_id, until_s))
    return StreamingResponse(content, media_type=_SSE, headers=headers)


async def _as_text(source: AsyncIterator[EventRecord | None]) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    async for event in source:
        if event is None:
            yield ": still here\n\n"
        else:
            yield f"id: {event.id}\nevent: {event.type}\ndata: {json.dumps(_content(event))}\n\n"


async def _serve_socket(socket: WebSocket, job_id: str | None) -> None:
    services = services_of(socket)
    await socket.accept()
    try:
        after = _position(None, socket.query_params.get("after"))
        caller = await run_in_threadpool(stream_reader, socket, socket.query_params.get("access_token"))
        start = await run_in_threadpool(start_of, services, caller.id, job_id, after)
    except E2E3DError as error:
        await socket.close(4000 + status_of(error), error.code)
        return
    until_s = time.monotonic() + services.settings.access_token_s
    with contextlib.suppress(WebSocketDisconnect, TimeoutError, RuntimeError):
        if start is not None:
            await _send_until_gone(socket, stream(services, caller.id, start, job_id, until_s))
        await socket.close(1000, "ended" if job_id is not None else "come back")


async def _send_until_gone(socket: WebSocket, source: AsyncIterator[EventRecord | None]) -> None:
    """Send events until there are no more or the other side has gone."""
    sending = asyncio.create_task(_send(socket, source))
    receiving = asyncio.create_task(_until_closed(socket))
    done, pending = await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


async def _send(socket: WebSocket, source: AsyncIterator[EventRecord | None]) -> None:
    async for event in source:
        message: dict[str, Any] = {"type": "heartbeat"} if event is None else {"id": event.id, "type": event.type}
        if event is not None:
            message |= {"at": event.at.isoformat(), "data": dict(event.data)}
        await asyncio.wait_for(socket.send_json(message), _SEND_S)


async def _until_closed(socket: WebSocket) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))


def _content(event: EventRecord) -> dict[str, Any]:
    return {"at": event.at.isoformat(), **event.data}


def _position(after: int | None, last_event_id: str | None) -> int | None:
    """What the reader has; an id that makes no sense counts as none."""
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdecimal():
        return min(int(last_event_id), _MAX_ID)
    return after
