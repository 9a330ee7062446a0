"""Which addresses a webhook may reach: the guard against server-side request forgery.

A user names the URL, the service calls it from inside its own network: without a guard it would fetch what only that
network may see (cloud metadata, databases, other hosts). So names are resolved here, every address of the answer is
judged, and the sender connects to an address that this module returned; nothing looks the name up a second time, which
is what an attack by DNS rebinding needs. The networks follow the IANA special-purpose address registries (RFC 6890).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from e2e3d.errors import InputError

Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], Sequence[str]]

MAX_URL_LENGTH = 2048
_REFUSED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")  # all that IANA gives out; loopback, local, mapped, NAT64, multicast lie outside
_REFUSED_V6 = tuple(
    IPv6Network(text)
    for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")  # Teredo and kin, documentation, 6to4
)


def system_resolver(host: str, port: int) -> Sequence[str]:
    """All addresses that the system's resolver knows for a name. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True)
class AddressGuard:
    """Judges URLs and resolves names to addresses that may be called.

    Attributes:
        allowed: networks that may be called although they are not public (E2E3D_WEBHOOK_ALLOWED_NETWORKS).
        resolve: looks a name up.
    """

    allowed: tuple[Network, ...] = ()
    resolve: Resolver = system_resolver

    def check(self, url: str) -> None:
        """Refuse a URL that cannot be called now. Raises InputError as :meth:`addresses` and :func:`target_of` do."""
        self.addresses(*target_of(url))

    def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """The addresses of a host, in the resolver's order.

        Raises:
            InputError: ``webhook-address-refused`` if it has none, or one of them may not be called. The message does
                not tell the two apart: it must not reveal which names exist inside the network.
        """
        try:
            found = tuple(self.resolve(host, port))
        except (OSError, UnicodeError):
            found = ()
        if not found or not all(self.may_call(address) for address in found):
            raise InputError(
                "webhook-address-refused",
                f"{host} has no address that webhooks may be sent to.",
                "Use a public address, or ask the operator to allow its network.",
            )
        return found

    def may_call(self, address: str) -> bool:
        """Whether an address is public, or in an allowed network."""
        try:
            parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        if any(parsed.version == network.version and parsed in network for network in self.allowed):
            return True
        if isinstance(parsed, IPv4Address):
            return not any(parsed in network for network in _REFUSED_V4)
        return parsed in _GLOBAL_V6 and not any(parsed in network for network in _REFUSED_V6)


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks such as ``10.1.0.0/16`` or ``::1/128``. Raises ValueError."""
    return tuple(ip_network(text.strip(), strict=False) for text in texts if text.strip())


def target_of(url: str) -> tuple[str, int]:
    """Host and port of a URL that can be a webhook.

    Raises:
        InputError: ``webhook-url`` if it is not an http or https URL, or carries a user name or password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
        host.encode("ascii")
    except ValueError:
        parts, port, host = urlsplit(""), None, ""
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= MAX_URL_LENGTH
    if parts.scheme not in ("http", "https") or not host or not plain or "@" in parts.netloc or port == 0:
        raise InputError(
            "webhook-url",
            "The webhook's URL cannot be used.",
            f"Give an http or https URL of at most {MAX_URL_LENGTH} ASCII characters, without a user name or password.",
        )
    return host, port or (443 if parts.scheme == "https" else 80)
