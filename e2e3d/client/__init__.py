"""Use a service from Python: ``Client`` with blocking methods, ``AsyncClient`` with awaited ones. Needs no Ray."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from e2e3d.client.clients import AsyncClient, Client
    from e2e3d.client.errors import (
        ApiError,
        AuthenticationError,
        ConflictError,
        DamagedDownloadError,
        InvalidRequestError,
        JobEndedError,
        NotFoundError,
        RateLimitedError,
        ServiceUnavailableError,
        UnreachableError,
    )

__all__ = [
    "ApiError",
    "AsyncClient",
    "AuthenticationError",
    "Client",
    "ConflictError",
    "DamagedDownloadError",
    "InvalidRequestError",
    "JobEndedError",
    "NotFoundError",
    "RateLimitedError",
    "ServiceUnavailableError",
    "UnreachableError",
]


def __getattr__(name: str) -> Any:
    """Import the clients when they are first used, so that commands which do not call a service start quickly."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from e2e3d.client import clients, errors

    return getattr(clients if name.endswith("Client") else errors, name)
