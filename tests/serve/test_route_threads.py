"""Threads that routes run in outlive the request that started them, though every request is a root task of its own."""

import asyncio
import threading

from anyio import to_thread
from fastapi import FastAPI

from e2e3d.serve.route_threads import keep_threads


def test_requests_one_after_the_other_share_a_thread() -> None:
    used: list[int | None] = []

    async def lifespan(ready: asyncio.Event, over: asyncio.Event) -> None:
        async with keep_threads(FastAPI()):
            ready.set()
            await over.wait()

    async def request() -> None:
        used.append(await to_thread.run_sync(threading.get_native_id))

    async def work() -> None:
        ready, over = asyncio.Event(), asyncio.Event()
        living = asyncio.create_task(lifespan(ready, over))
        await ready.wait()
        for _ in range(5):
            await asyncio.create_task(request())
        over.set()
        await living

    loop = asyncio.new_event_loop()
    server = threading.Thread(target=loop.run_forever)  # as in Ray Serve: no task at the root of all others
    server.start()
    asyncio.run_coroutine_threadsafe(work(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    server.join()
    loop.close()
    assert len(set(used)) == 1
