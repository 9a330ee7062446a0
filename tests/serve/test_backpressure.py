"""The queues of Ray Serve that bodies pass through have an end: whoever fills them waits."""

import asyncio
import pickle
from typing import Any

import pytest

from e2e3d.serve.backpressure import bound_queues, proxy_callback
from e2e3d.service.http.downloads import WrittenReports
from e2e3d.service.http.request_ids import SafeRequestIds

CHUNK = {"type": "http.request", "body": bytes(1 << 20), "more_body": True}
END = {"type": "http.disconnect"}


@pytest.fixture(autouse=True)
def bounded() -> None:
    assert [middleware.cls for middleware in proxy_callback()] == [SafeRequestIds, WrittenReports]
    bound_queues()  # once more changes nothing


async def settled(count: list[int]) -> int:
    """`count[0]` when it has not changed for a while."""
    seen = -1
    while seen != count[0]:
        seen = count[0]
        await asyncio.sleep(0.3)
    return seen


def test_a_proxy_reads_no_more_than_the_replica_takes() -> None:
    from ray.serve._private.http_util import MessageQueue

    async def work() -> None:
        queue, sent = MessageQueue(), [0]

        async def fill() -> None:
            for _ in range(30):
                await queue(CHUNK)
                sent[0] += 1

        filling = asyncio.create_task(fill())
        assert await settled(sent) == 5  # MiB: four, and the one that passed the limit
        assert len(queue.get_messages_nowait()) == 5
        assert await settled(sent) == 10
        taken = 5
        while taken < 30:
            await queue.wait_for_message()
            taken += len(queue.get_messages_nowait())
        await filling

    asyncio.run(work())


def test_a_queue_that_is_closed_lets_its_writer_go() -> None:
    from ray.serve._private.http_util import MessageQueue

    async def work() -> None:
        queue = MessageQueue()
        for _ in range(5):
            await queue(CHUNK)
        waiting = asyncio.create_task(queue(CHUNK))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        queue.close()
        with pytest.raises(RuntimeError):
            await asyncio.wait_for(waiting, 30)

    asyncio.run(work())


def test_a_replica_fetches_no_more_than_the_application_reads() -> None:
    from ray.serve._private.http_util import ASGIReceiveProxy

    async def work() -> None:
        fetched = [0]

        async def fetch(_: Any) -> bytes:
            fetched[0] += 1
            return pickle.dumps([END] if fetched[0] > 100 else [CHUNK])

        proxy = ASGIReceiveProxy({"type": "http"}, None, fetch)
        fetching = asyncio.create_task(proxy.fetch_until_disconnect())
        assert await settled(fetched) == 0  # nothing before the application asks
        received = [await proxy()]
        assert await settled(fetched) == 18  # the one that was read, and those that wait
        received += [await proxy() for _ in range(100)]
        assert received[:100] == [CHUNK] * 100
        assert received[100] == END
        await fetching

    asyncio.run(work())


def test_a_client_that_went_away_is_no_error() -> None:
    """When the proxy ends a request, Ray cancels the call that waits for the client too."""
    from ray.exceptions import TaskCancelledError
    from ray.serve._private.http_util import ASGIReceiveProxy

    async def fetch(_: Any) -> bytes:
        raise TaskCancelledError

    async def work() -> None:
        proxy = ASGIReceiveProxy({"type": "http"}, None, fetch)
        fetching = asyncio.create_task(proxy.fetch_until_disconnect())
        assert await proxy() == END
        await fetching

    asyncio.run(work())
