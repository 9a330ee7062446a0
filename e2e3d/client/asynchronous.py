"""Carries flows out on an event loop; what goes on side by side runs in tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import AsyncExitStack, aclosing, closing
from typing import Any

import httpx

from e2e3d.client.flow import Alone, Command, Compute, Emit, Flow, Open, Pause, Read, Send, T, Together
from e2e3d.client.http import Stepper, follows, head, make_http, meaning, request_arguments
from e2e3d.client.session import Session
from e2e3d.client.wire import Call, Reply


class AsyncDriver:
    """Runs the flows of one client, all on the same event loop."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._http = make_http(httpx.AsyncClient, session.url)
        self._alone = asyncio.Lock()

    async def run(self, flow: Flow[T]) -> T:
        """The result of a flow."""
        stepper = Stepper(flow)
        async with aclosing(self._steps(stepper)) as steps:
            async for value in steps:
                raise TypeError(f"nobody takes {value!r}")
        return stepper.result

    def iterate(self, flow: Flow[None]) -> AsyncIterator[Any]:
        """What a flow emits, as it emits it."""
        return self._steps(Stepper(flow))

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _steps(self, stepper: Stepper[Any]) -> AsyncGenerator[Any, None]:
        async with _Answer() as opened:
            with closing(stepper):
                while (command := stepper.step()) is not None:
                    if isinstance(command, Emit):
                        yield command.value
                        continue
                    try:
                        stepper.answer(await self._carry_out(command, opened))
                    except Exception as error:  # noqa: BLE001 - the flow decides what it means
                        stepper.fail(error)

    async def _carry_out(self, command: Command, opened: _Answer) -> Any:
        match command:
            case Send(call):
                return await self._send(call)
            case Open(call):
                return await self._open(call, opened)
            case Read():
                return await self._read(opened)
            case Pause(seconds):
                return await asyncio.sleep(seconds)
            case Compute(work):
                return await asyncio.to_thread(work)
            case Together(flows, at_once):
                return await self._together(list(flows), at_once)
            case Alone(flow):
                async with self._alone:
                    return await self.run(flow)
        raise TypeError(f"{command!r} is no command")

    async def _send(self, call: Call) -> Reply:
        arguments, body = request_arguments(self.session.url, call)
        if body is not None:
            arguments["content"] = _asynchronous(body.open())
        try:
            async with self._http.stream(**arguments, follow_redirects=follows(call)) as response:
                if call.sink is None or not response.is_success:
                    return head(response, await response.aread())
                write = call.sink(head(response))
                async for chunk in response.aiter_bytes():
                    write(chunk)
                return head(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise meaning(error, self.session.url) from error

    async def _open(self, call: Call, opened: _Answer) -> Reply:
        arguments, _ = request_arguments(self.session.url, call)
        try:
            response = await opened.enter(self._http.stream(**arguments, follow_redirects=follows(call)))
            return head(response, b"" if response.is_success else await response.aread())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise meaning(error, self.session.url) from error

    async def _read(self, opened: _Answer) -> bytes:
        try:
            return await anext(opened.chunks, b"")
        except httpx.HTTPError as error:
            raise meaning(error, self.session.url) from error

    async def _together(self, flows: list[Flow[Any]], at_once: int) -> list[Any]:
        places = asyncio.Semaphore(at_once)

        async def one(flow: Flow[Any]) -> Any:
            async with places:
                return await self.run(flow)

        tasks = [asyncio.create_task(one(flow)) for flow in flows]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _asynchronous(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


class _Answer:
    """The answer that a flow keeps open; opening another one, or leaving the flow, closes it."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self.chunks: AsyncIterator[bytes] = _nothing()

    async def __aenter__(self) -> _Answer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def enter(self, stream: Any) -> httpx.Response:
        await self._stack.aclose()
        response: httpx.Response = await self._stack.enter_async_context(stream)
        self.chunks = response.aiter_bytes()
        return response
