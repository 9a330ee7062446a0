"""Who calls which service: its address, an API key or tokens, and how patient the client is."""

from __future__ import annotations

import os
import time

from e2e3d.client.credentials import DEFAULT_URL, ApiKeyLogin, CredentialsFile, Login, Tokens
from e2e3d.errors import SettingsError

_EARLY_S = 30.0


class Session:
    """State that the flows of one client share.

    Args:
        url: of the service; None = E2E3D_URL, the service signed in to last, or http://127.0.0.1:8000.
        api_key: None = E2E3D_API_KEY, and without it the key or the tokens of the last sign-in.
        patience_s: how long a call is repeated while the service is away or busy.
        credentials: where tokens and keys are kept.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        patience_s: float = 60.0,
        credentials: CredentialsFile | None = None,
    ) -> None:
        self.credentials = credentials or CredentialsFile()
        named = url or os.environ.get("E2E3D_URL") or self.credentials.default_url() or DEFAULT_URL
        if not named.startswith(("http://", "https://")):
            raise SettingsError(
                "bad-url", f"{named} is not the URL of a service.", "It begins with http:// or https://"
            )
        self.url = named.rstrip("/")
        self.api_key = api_key or os.environ.get("E2E3D_API_KEY") or self.credentials.api_key(self.url)
        self.patience_s = patience_s
        self.tokens: Tokens | None = None if self.api_key else self.credentials.tokens(self.url)

    def authorization(self) -> dict[str, str]:
        """The header that says who calls."""
        if self.api_key is not None:
            return {"authorization": f"Bearer {self.api_key}"}
        return {} if self.tokens is None else {"authorization": f"Bearer {self.tokens.access_token}"}

    @property
    def ends_soon(self) -> bool:
        """Whether the access token should be renewed before it is used again."""
        return self.tokens is not None and self.tokens.expires_at_s < time.time() + _EARLY_S

    def keep(self, login: Login | None, make_default: bool = False) -> None:
        """Use this login from now on, and remember it; None forgets the one that was kept."""
        self.tokens = login if isinstance(login, Tokens) else None
        self.api_key = login.api_key if isinstance(login, ApiKeyLogin) else None
        self.credentials.keep(self.url, login, make_default)
