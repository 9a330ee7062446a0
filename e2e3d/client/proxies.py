"""Which proxy of the environment a request goes through: never one to this machine itself."""

from __future__ import annotations

import ipaddress
import urllib.parse
import urllib.request

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
SETTINGS = "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY"


def direct_patterns(url: str) -> dict[str, None]:
    """What httpx must reach directly, as its ``mounts``: this machine under its names, also the one that `url` uses."""
    host = urllib.parse.urlsplit(url).hostname or ""
    named = [f"[{host}]" if ":" in host else host] if is_loopback(url) else []
    return {f"all://{name}": None for name in (*LOOPBACK, *named)}


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine itself."""
    host = (urllib.parse.urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for a URL, without its password; None = there is none."""
    parts = urllib.parse.urlsplit(url)
    if is_loopback(url) or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    scheme, found, place = proxy.rpartition("://")
    return f"{scheme}{found}{place.rpartition('@')[2]}"


def through(url: str) -> str:
    """A clause for messages, empty where no proxy is used."""
    proxy = proxy_of(url)
    return "" if proxy is None else f" (through the proxy {proxy}, which {SETTINGS} decide)"
