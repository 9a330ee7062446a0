"""What Ray Serve's proxies and replicas do beyond its documented interface, with the version that was tested only.

Bodies of both directions wait for their readers through middlewares, which Serve offers; that its proxy and its
replicas pass messages on whose type they do not know is documented nowhere. One method of a private class is
replaced, which saves time and changes nothing else: a replica fetches nothing before the application asks for it. Most
requests have no body, and the call into the proxy that waits for one, or for the client to go away, costs as much as
the answer. With another version of Ray neither is done: bodies must be small, and the log says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any

from e2e3d.serve.ray_version import TESTED_RAY, ray_is_tested
from e2e3d.service.http.bounded_downloads import WrittenReports
from e2e3d.service.http.bounded_uploads import UNBOUNDED_BODY_BYTES, BodyWindow, QuietSockets
from e2e3d.service.http.request_ids import SafeRequestIds

_MARK = "_e2e3d_lazy"
_LOG = logging.getLogger(__name__)


def proxy_callback() -> list[Any]:
    """What RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH names: called in every proxy when it starts."""
    from starlette.middleware import Middleware

    bounded = [Middleware(BodyWindow), Middleware(WrittenReports)] if ray_is_tested() else []
    return [Middleware(SafeRequestIds), Middleware(QuietSockets), *bounded]


def fetch_when_read() -> None:
    """Have this replica fetch bodies when they are read; with a Ray that was not tested only the log is written to."""
    if not ray_is_tested():
        _LOG.warning(
            "Ray %s was not tested, only %s: bodies of requests are limited to %d MiB, downloads by slow readers take "
            "memory, and requests take longer",
            version("ray"),
            TESTED_RAY,
            UNBOUNDED_BODY_BYTES >> 20,
        )
        return
    from ray.serve._private.http_util import ASGIReceiveProxy

    if not hasattr(ASGIReceiveProxy, _MARK):
        _replace_methods(ASGIReceiveProxy)


def _replace_methods(receive_proxy: Any) -> None:
    from ray.exceptions import TaskCancelledError

    make, receive = receive_proxy.__init__, receive_proxy.__call__

    def make_lazy(proxy: Any, scope: Any, request_metadata: Any, fetch: Callable[[Any], Awaitable[bytes]]) -> None:
        proxy._e2e3d_wanted = asyncio.Event()

        async def fetch_when_wanted(metadata: Any) -> bytes:
            await proxy._e2e3d_wanted.wait()
            try:
                return await fetch(metadata)
            except TaskCancelledError as error:  # with the request, whose client has gone
                raise KeyError("the request has ended") from error  # what Serve itself expects then

        make(proxy, scope, request_metadata, fetch_when_wanted)

    async def receive_wanted(proxy: Any) -> Any:
        proxy._e2e3d_wanted.set()
        return await receive(proxy)

    receive_proxy.__init__ = make_lazy
    receive_proxy.__call__ = receive_wanted
    setattr(receive_proxy, _MARK, True)
