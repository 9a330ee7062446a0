"""One POST to an address that the guard has judged: bounded in time and size, no redirects, no proxies.

httpcore asks its network backend for every connection, with the name from the URL; the backend here connects to a
judged address instead. TLS still verifies the certificate against the name, because httpcore passes that on itself.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpcore

from e2e3d.service.webhooks.addresses import AddressGuard


@dataclass(frozen=True)
class DeliveryLimits:
    """Bounds of one delivery: seconds from its start to its end, to connect, and bytes of the answer that are read."""

    total_s: float = 15.0
    connect_s: float = 5.0
    answer_bytes: int = 2048


@dataclass(frozen=True)
class ReceiverAnswer:
    """What a receiver said: the status, the beginning of its body, and the seconds of a Retry-After header."""

    status_code: int
    text: str
    retry_after_s: float | None


def post(
    url: str, headers: Mapping[str, str], body: bytes, guard: AddressGuard, tls: ssl.SSLContext, limits: DeliveryLimits
) -> ReceiverAnswer:
    """Send `body` to `url`.

    Raises:
        InputError: ``webhook-address-refused``, from the guard.
        OSError: it could not be delivered in time; the message says why.
    """
    ends_s = time.monotonic() + limits.total_s
    backend = _JudgedBackend(guard, ends_s, limits.connect_s)
    timeouts = dict.fromkeys(("connect", "read", "write", "pool"), limits.total_s)
    try:
        with (
            httpcore.ConnectionPool(ssl_context=tls, network_backend=backend) as pool,
            pool.stream(
                "POST", url, headers=list(headers.items()), content=body, extensions={"timeout": timeouts}
            ) as response,
        ):
            text = _beginning(response.iter_stream(), limits.answer_bytes)
            given = {name.lower(): value for name, value in response.headers}
            return ReceiverAnswer(response.status, text, _seconds(given.get(b"retry-after")))
    except httpcore.TimeoutException as error:
        raise OSError(f"no answer within {limits.total_s:g} s") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        raise OSError(str(error) or type(error).__name__) from error


class _JudgedBackend(httpcore.NetworkBackend):
    """Connects to what the guard returns for a name, and to nothing else."""

    def __init__(self, guard: AddressGuard, ends_s: float, connect_s: float) -> None:
        self._guard = guard
        self._ends_s = ends_s
        self._connect_s = connect_s
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first judged address that answers."""
        failure: Exception = httpcore.ConnectError("it has no address")
        for address in self._guard.addresses(host, port):
            try:
                within_s = min(self._connect_s, _left(self._ends_s))
                return _BoundedStream(self._inner.connect_tcp(address, port, within_s), self._ends_s)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _BoundedStream(httpcore.NetworkStream):
    """A stream with one end of time: a receiver that sends a byte now and then cannot hold the sender."""

    def __init__(self, inner: httpcore.NetworkStream, ends_s: float) -> None:
        self._inner = inner
        self._ends_s = ends_s

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """See httpcore."""
        return self._inner.read(max_bytes, _left(self._ends_s))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """See httpcore."""
        self._inner.write(buffer, _left(self._ends_s))

    def close(self) -> None:
        """See httpcore."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """See httpcore."""
        inner = self._inner.start_tls(ssl_context, server_hostname, _left(self._ends_s))
        return _BoundedStream(inner, self._ends_s)

    def get_extra_info(self, info: str) -> Any:
        """See httpcore."""
        return self._inner.get_extra_info(info)


def _left(ends_s: float) -> float:
    left_s = ends_s - time.monotonic()
    if left_s <= 0:
        raise httpcore.ReadTimeout
    return left_s


def _beginning(chunks: Iterable[bytes], size: int) -> str:
    data = b""
    for chunk in chunks:
        data += chunk
        if len(data) >= size:
            break
    return data[:size].decode("utf-8", errors="replace").replace("\x00", "")


def _seconds(header: bytes | None) -> float | None:
    return float(header) if header is not None and header.isdigit() and len(header) < 9 else None
