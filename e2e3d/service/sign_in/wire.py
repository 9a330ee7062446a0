"""What requests about signing in and API keys carry, and what they are answered with."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from e2e3d.service.accounts.wire import GivenPassword, KnownScope, Name, Scope, Text
from e2e3d.service.http.wire import RequestModel, ResponseModel

if TYPE_CHECKING:
    from e2e3d.service.accounts.records import ApiKey


class Login(RequestModel, extra="ignore"):
    """Who logs in."""

    email: Annotated[Text, Field(max_length=320, examples=["ada@example.org"])]
    password: GivenPassword
    device_token: Annotated[Text, Field(max_length=200)] | None = Field(
        default=None, description="What an earlier login to this account from this device gave.", examples=["e2d_73…"]
    )


class BrowserLogin(RequestModel):
    """Who logs in from a browser; what makes the device known is a cookie."""

    email: Annotated[Text, Field(max_length=320, examples=["ada@example.org"])]
    password: GivenPassword


class SignInLink(RequestModel):
    """The token of a sign-in link."""

    token: Annotated[Text, Field(max_length=200, examples=["e2l_3Zk…"])]


class RefreshToken(RequestModel, extra="ignore"):
    """A refresh token."""

    refresh_token: Annotated[Text, Field(max_length=200, examples=["e2r_3Zk…"])]


class Tokens(ResponseModel):
    """A new pair of tokens; the refresh token is good for one use."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int = Field(description="Seconds that the access token is good for.")


class SessionToken(ResponseModel):
    """What a browser keeps in memory; its refresh token is a cookie."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int = Field(description="Seconds that the access token is good for.")


class NewLogin(Tokens):
    """The tokens of a new login."""

    device_token: str = Field(
        description="Send it with later logins: failed attempts of others then never make this device wait."
    )


class LoginOut(ResponseModel):
    """A login of yours that has not ended."""

    id: str
    current: bool = Field(description="Whether it is the one that asks.")
    began_at: datetime.datetime
    renewed_at: datetime.datetime = Field(description="When it got its newest tokens.")
    expires_at: datetime.datetime = Field(description="When it ends, unless it is used before.")
    address: str | None = Field(description="From which it began; null where that is not known.")


class NewApiKey(RequestModel):
    """An API key to make."""

    name: Annotated[Name, Field(min_length=1, examples=["drone uploader"])]
    scopes: list[Scope] = Field(default=["read", "write"], min_length=1, max_length=3)
    expires_in_days: Annotated[float | None, Field(gt=0, le=3650)] = None


class ApiKeyOut(ResponseModel):
    """An API key, without its secret part."""

    id: str
    name: str
    prefix: str = Field(description="How the key begins.", examples=["e2e_x7Gh2kQp"])
    scopes: tuple[KnownScope, ...]
    expires_at: datetime.datetime | None
    last_used_at: datetime.datetime | None
    created_at: datetime.datetime

    @classmethod
    def of(cls, key: ApiKey) -> ApiKeyOut:
        """The public form of a record."""
        return cls.from_record(key)


class MadeApiKey(ApiKeyOut):
    """A new API key; this is the only answer that shows it."""

    key: str
