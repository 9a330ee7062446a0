"""Carries flows out with blocking calls; what goes on side by side runs in threads."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from typing import Any

import httpx

from e2e3d.client.flow import Alone, Command, Compute, Emit, Flow, Open, Pause, Read, Send, T, Together
from e2e3d.client.http import Stepper, follows, head, make_http, meaning, request_arguments
from e2e3d.client.session import Session
from e2e3d.client.wire import Body, Call, Reply


class BlockingDriver:
    """Runs the flows of one client; safe to use from several threads."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._http = make_http(httpx.Client, session.url)
        self._alone = threading.Lock()

    def run(self, flow: Flow[T]) -> T:
        """The result of a flow."""
        stepper = Stepper(flow)
        for value in self._steps(stepper):
            raise TypeError(f"nobody takes {value!r}")
        return stepper.result

    def iterate(self, flow: Flow[None]) -> Iterator[Any]:
        """What a flow emits, as it emits it."""
        return self._steps(Stepper(flow))

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _steps(self, stepper: Stepper[Any]) -> Generator[Any, None, None]:
        with closing(stepper), _Answer() as opened:
            while (command := stepper.step()) is not None:
                if isinstance(command, Emit):
                    yield command.value
                    continue
                try:
                    stepper.answer(self._carry_out(command, opened))
                except Exception as error:  # noqa: BLE001 - the flow decides what it means
                    stepper.fail(error)

    def _carry_out(self, command: Command, opened: _Answer) -> Any:
        match command:
            case Send(call):
                return self._send(call)
            case Open(call):
                return self._open(call, opened)
            case Read():
                return self._read(opened)
            case Pause(seconds):
                return time.sleep(seconds)
            case Compute(work):
                return work()
            case Together(flows, at_once):
                return self._together(list(flows), at_once)
            case Alone(flow):
                with self._alone:
                    return self.run(flow)
        raise TypeError(f"{command!r} is no command")

    def _send(self, call: Call) -> Reply:
        arguments, body = request_arguments(self.session.url, call)
        if body is not None:
            arguments["content"] = body.open()
        try:
            with self._http.stream(**arguments, follow_redirects=follows(call)) as response:
                if call.sink is None or not response.is_success:
                    return head(response, response.read())
                write = call.sink(head(response))
                for chunk in response.iter_bytes():
                    write(chunk)
                return head(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise meaning(error, self.session.url) from error

    def _open(self, call: Call, opened: _Answer) -> Reply:
        arguments, _ = request_arguments(self.session.url, call)
        try:
            response = opened.enter(self._http.stream(**arguments, follow_redirects=follows(call)))
            return head(response, b"" if response.is_success else response.read())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise meaning(error, self.session.url) from error

    def _read(self, opened: _Answer) -> bytes:
        try:
            return next(opened.chunks, b"")
        except httpx.HTTPError as error:
            raise meaning(error, self.session.url) from error

    def _together(self, flows: list[Flow[Any]], at_once: int) -> list[Any]:
        if len(flows) <= 1:
            return [self.run(flow) for flow in flows]
        with ThreadPoolExecutor(min(at_once, len(flows)), thread_name_prefix="e2e3d-client") as pool:
            stop = threading.Event()
            futures = [pool.submit(self.run, _until(stop, flow)) for flow in flows]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
                failed = [future for future in futures if future.done() and future.exception() is not None]
                if failed:
                    failed[0].result()
            finally:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
            return [future.result() for future in futures]


def _until(stop: threading.Event, flow: Flow[T]) -> Flow[T]:
    """The same flow, which ends at its next command once another one has failed."""
    stepper = Stepper(flow)
    with closing(stepper):
        while (command := stepper.step()) is not None:
            _go_on(stop)
            try:
                stepper.answer((yield _interruptible(command, stop)))
            except Exception as error:  # noqa: BLE001 - the flow decides what it means
                stepper.fail(error)
        return stepper.result


def _interruptible(command: Command, stop: threading.Event) -> Command:
    """The same command; the transfer of a body ends at its next piece once `stop` is set."""
    if not isinstance(command, Send):
        return command
    call = command.call
    body, sink = call.body, call.sink
    if body is not None:
        call = dataclasses.replace(call, body=Body(body.size_bytes, lambda: _pieces(body, stop)))
    if sink is not None:
        call = dataclasses.replace(call, sink=lambda reply: _writer(sink(reply), stop))
    return Send(call)


def _pieces(body: Body, stop: threading.Event) -> Iterator[bytes]:
    for piece in body.open():
        _go_on(stop)
        yield piece


def _writer(write: Callable[[bytes], None], stop: threading.Event) -> Callable[[bytes], None]:
    def writing(piece: bytes) -> None:
        _go_on(stop)
        write(piece)

    return writing


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise InterruptedError("another transfer has failed")


class _Answer:
    """The answer that a flow keeps open; opening another one, or leaving the flow, closes it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.chunks: Iterator[bytes] = iter(())

    def __enter__(self) -> _Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def enter(self, stream: Any) -> httpx.Response:
        self._stack.close()
        response: httpx.Response = self._stack.enter_context(stream)
        self.chunks = response.iter_bytes()
        return response
