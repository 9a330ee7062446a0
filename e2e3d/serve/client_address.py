"""Where a request comes from: a header says so only when whoever wrote it is trusted."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable, Mapping, Sequence

from starlette.types import Scope

from e2e3d.serve.front.configuration import FRONT_HEADER

_SAID = FRONT_HEADER.lower().encode()
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ClientAddressFinder:
    """Finds the address of a client.

    Args:
        trusted_proxies: networks of proxies whose ``X-Forwarded-For`` is believed.
        front_token: with which the front says in `FRONT_HEADER` who connected to it; None = there is no front.
    """

    def __init__(self, trusted_proxies: Sequence[str], front_token: str | None) -> None:
        self._trusted = [ipaddress.ip_network(network) for network in trusted_proxies]
        self._token = None if front_token is None else front_token.encode()

    @property
    def behind_front(self) -> bool:
        """Whether every request must have come through the front."""
        return self._token is not None

    def peer(self, scope: Scope, headers: Mapping[bytes, bytes]) -> str | None:
        """Who connected to the service; None = unknown, or around the front."""
        if self._token is None:
            client = scope.get("client")
            return str(client[0]) if client else None
        token, _, address = headers.get(_SAID, b"").partition(b" ")
        return address.decode("latin-1") if hmac.compare_digest(token, self._token) else None

    def client(self, peer: str | None, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """The nearest address that no trusted proxy has; each proxy adds the one that it saw at the end."""
        address = _parsed(peer)
        if address is None or not self._trusts(address):
            return peer
        forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        for hop in reversed(forwarded.decode("latin-1").split(",")):
            said = _parsed(hop.strip())
            if said is None:
                break
            address = said
            if not self._trusts(address):
                break
        return str(address)

    def _trusts(self, address: _Address) -> bool:
        return any(address in network for network in self._trusted)


def _parsed(text: str | None) -> _Address | None:
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
