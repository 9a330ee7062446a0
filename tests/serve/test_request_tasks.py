"""Requests share their threads, though each is a root task of its own, and end as they would by themselves."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from anyio import to_thread
from starlette.types import Receive, Scope, Send

from e2e3d.serve.request_tasks import InRequestTasks, RequestTasks


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """As in Ray Serve: no task is at the root of all others."""
    made = asyncio.new_event_loop()
    server = threading.Thread(target=made.run_forever)
    server.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    server.join()
    made.close()


async def nothing(*_: Any) -> Any:
    return None


async def with_tasks(work: Callable[[RequestTasks], Awaitable[None]]) -> None:
    """Do `work` while an application lives, whose lifespan is a task of its own."""
    tasks, ready, over = RequestTasks(), asyncio.Event(), asyncio.Event()

    async def lifespan() -> None:
        async with tasks.running():
            ready.set()
            await over.wait()

    living = asyncio.create_task(lifespan())
    await ready.wait()
    try:
        await work(tasks)
    finally:
        over.set()
        await living


def test_requests_one_after_the_other_share_a_thread(loop: asyncio.AbstractEventLoop) -> None:
    used: list[int | None] = []

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        used.append(await to_thread.run_sync(threading.get_native_id))

    async def work(tasks: RequestTasks) -> None:
        for _ in range(5):
            await asyncio.create_task(InRequestTasks(route, tasks)({"type": "http"}, nothing, nothing))

    asyncio.run_coroutine_threadsafe(with_tasks(work), loop).result(30)
    assert len(used) == 5
    assert len(set(used)) == 1


def test_an_error_is_that_of_its_request_only() -> None:
    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/wrong":
            raise ValueError("of one request")
        await asyncio.sleep(0.05)
        await send({"type": "http.response.start"})

    async def work(tasks: RequestTasks) -> None:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        app = InRequestTasks(route, tasks)
        other = asyncio.create_task(app({"type": "http", "path": "/right"}, nothing, send))
        with pytest.raises(ValueError, match="of one request"):
            await app({"type": "http", "path": "/wrong"}, nothing, nothing)
        await other
        assert sent == [{"type": "http.response.start"}]

    asyncio.run(with_tasks(work))


def test_a_request_whose_client_has_gone_is_cancelled_and_cleans_up() -> None:
    begun, cleaned = asyncio.Event(), []

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            await to_thread.run_sync(cleaned.append, True)

    async def work(tasks: RequestTasks) -> None:
        request = asyncio.create_task(InRequestTasks(route, tasks)({"type": "http"}, nothing, nothing))
        await begun.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert cleaned == [True]
        await InRequestTasks(nothing, tasks)({"type": "http"}, nothing, nothing)  # the others go on

    asyncio.run(with_tasks(work))


def test_requests_that_still_run_end_with_the_application() -> None:
    ended: list[bool] = []

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def work(tasks: RequestTasks) -> None:
        running = asyncio.create_task(InRequestTasks(route, tasks)({"type": "http"}, nothing, nothing))
        await asyncio.sleep(0.1)
        requests.append(running)

    async def outlived() -> None:
        await with_tasks(work)
        with pytest.raises(asyncio.CancelledError):
            await requests[0]

    requests: list[asyncio.Task[None]] = []
    asyncio.run(outlived())
    assert ended == [True]
