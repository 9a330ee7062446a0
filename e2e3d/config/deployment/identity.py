"""Settings of signing in by an organisation's own accounts (OpenID Connect)."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from e2e3d.config.deployment.engine import Settings

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class IdentitySettings(Settings):
    """Settings of the provider that knows who somebody is; without an issuer there is none, and passwords only.

    Attributes:
        oidc_issuer: URL of the provider, as its tokens name it.
        oidc_client_id, oidc_client_secret: under which the provider knows this service; a secret only if it gave one.
        oidc_name: what the page calls the provider; None = its host.
        oidc_scopes: what is asked for, separated by spaces.
        oidc_domains: of email addresses that may sign in; () = whomever the provider lets in.
        oidc_admin_claim: ``claim=value`` of administrators, as ``groups=e2e3d-admins``; None = roles are given by hand.
        oidc_trust_email: the provider has verified all addresses, though its tokens do not say so.
    """

    oidc_issuer: str | None = None
    oidc_client_id: str | None = Field(default=None, min_length=1)
    oidc_client_secret: str | None = Field(default=None, min_length=1, repr=False)
    oidc_name: str | None = Field(default=None, max_length=60)
    oidc_scopes: str = "openid email profile"
    oidc_domains: Annotated[tuple[str, ...], NoDecode] = ()
    oidc_admin_claim: str | None = None
    oidc_trust_email: bool = False

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer_is_secure(cls, value: str | None) -> str | None:
        if value is None or value == "":
            return None
        url = urlsplit(value)
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
            raise ValueError("must begin with https://")
        return value

    @field_validator("oidc_scopes")
    @classmethod
    def _asks_for_identity(cls, value: str) -> str:
        if "openid" not in value.split():
            raise ValueError("must have the scope openid")
        return value

    @field_validator("oidc_domains", mode="before")
    @classmethod
    def _domains(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip().lower().removeprefix("@") for part in value.split(",") if part.strip())

    @field_validator("oidc_admin_claim")
    @classmethod
    def _names_claim_and_value(cls, value: str | None) -> str | None:
        if value and not all(value.partition("=")):
            raise ValueError("must be claim=value")
        return value or None
