"""What requests about accounts carry, and what they are answered with."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from e2e3d.service.accounts.records import ApiKey, AuditEntry, User
from e2e3d.service.sign_in.passwords import MAX_LENGTH, MIN_LENGTH

Scope = Literal["read", "write", "admin"]
Role = Literal["admin", "user"]


def _no_nul(value: str) -> str:
    """PostgreSQL keeps no NUL, and no text needs one."""
    if "\0" in value:
        raise ValueError("must not contain a NUL character")
    value.encode("utf-8")  # a lone surrogate is a ValueError too
    return value


Text = Annotated[str, AfterValidator(_no_nul)]
Name = Annotated[Text, Field(max_length=200)]
Email = Annotated[Text, Field(min_length=3, max_length=320, pattern=r"^[^\s@]+@[^\s@]+$", examples=["ada@example.org"])]
NewPassword = Annotated[
    Text, Field(min_length=MIN_LENGTH, max_length=MAX_LENGTH, examples=["a long phrase that only you know"])
]
GivenPassword = Annotated[Text, Field(max_length=MAX_LENGTH)]
_Count = Annotated[int, Field(ge=0, le=2_000_000_000)]
_Bytes = Annotated[int, Field(ge=0, le=2**62)]


class Login(BaseModel):
    """Who logs in."""

    email: Annotated[Text, Field(max_length=320, examples=["ada@example.org"])]
    password: GivenPassword
    device_token: Annotated[Text, Field(max_length=200)] | None = Field(
        default=None, description="What an earlier login to this account from this device gave.", examples=["e2d_73…"]
    )


class RefreshToken(BaseModel):
    """A refresh token."""

    refresh_token: Annotated[Text, Field(max_length=200, examples=["e2r_3Zk…"])]


class Tokens(BaseModel):
    """A new pair of tokens; the refresh token is good for one use."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int = Field(description="Seconds that the access token is good for.")


class NewLogin(Tokens):
    """The tokens of a new login."""

    device_token: str = Field(
        description="Send it with later logins: failed attempts of others then never make this device wait."
    )


class QuotasOut(BaseModel):
    """What a user may use at most."""

    photos: int = Field(description="Photographs of one job.")
    bytes: int = Field(description="Stored bytes.")
    jobs: int = Field(description="Unfinished jobs, queued and running ones together.")


class UserOut(BaseModel):
    """An account."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "5b0e2a35-0f5e-4c39-8a39-1f7f3f9b1d0e",
                    "email": "ada@example.org",
                    "name": "Ada",
                    "role": "user",
                    "disabled": False,
                    "quotas": {"photos": 1000, "bytes": 100000000000, "jobs": 20},
                    "stored_bytes": 52428800,
                    "created_at": "2026-01-05T12:00:00Z",
                    "deleted_at": None,
                    "purge_at": None,
                }
            ]
        }
    )

    id: str
    email: str
    name: str
    role: Role
    disabled: bool
    quotas: QuotasOut
    stored_bytes: int
    created_at: datetime.datetime
    deleted_at: datetime.datetime | None = Field(description="When the account was deleted; it may not sign in since.")
    purge_at: datetime.datetime | None = Field(
        description="When a deleted account goes with all that it owns; it can be restored until then."
    )

    @classmethod
    def of(cls, user: User) -> UserOut:
        """The public form of a record."""
        quotas = QuotasOut(photos=user.quotas.photos, bytes=user.quotas.bytes, jobs=user.quotas.jobs)
        role: Role = "admin" if user.role == "admin" else "user"
        return cls(
            id=user.id,
            email=user.email,
            name=user.name,
            role=role,
            disabled=user.disabled,
            quotas=quotas,
            stored_bytes=user.stored_bytes,
            created_at=user.created_at,
            deleted_at=user.deleted_at,
            purge_at=user.purge_at,
        )


class ChangedUser(UserOut):
    """An account after a change, and what the change has ended."""

    revoked_logins: int = Field(description="Logins that have ended: all, with a new password or when disabled.")
    revoked_api_keys: int = Field(description="API keys that were revoked: all, with a new password.")


class Me(UserOut):
    """Your account, and what this token may do."""

    scopes: list[Scope]


class MyChange(BaseModel):
    """Changes to your account."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None


class PasswordChange(BaseModel):
    """A new password, with the one it replaces."""

    current_password: GivenPassword
    new_password: NewPassword


class NewUser(BaseModel):
    """An account to make; quotas that are missing are those of the service."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    password: NewPassword
    name: Name = ""
    role: Role = "user"
    quota_photos: _Count | None = None
    quota_bytes: _Bytes | None = None
    quota_jobs: _Count | None = None


class UserEdit(BaseModel):
    """Changes to an account; what is missing stays as it is.

    A new password ends the user's logins and revokes the user's API keys, unless `keep_api_keys` is set.
    """

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    role: Role | None = None
    disabled: bool | None = None
    password: NewPassword | None = None
    keep_api_keys: bool = False
    quota_photos: _Count | None = None
    quota_bytes: _Bytes | None = None
    quota_jobs: _Count | None = None


class NewApiKey(BaseModel):
    """An API key to make."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Name, Field(min_length=1, examples=["drone uploader"])]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3)] = ["read", "write"]
    expires_in_days: Annotated[float | None, Field(gt=0, le=3650)] = None


class ApiKeyOut(BaseModel):
    """An API key, without its secret part."""

    id: str
    name: str
    prefix: str = Field(description="How the key begins.", examples=["e2e_x7Gh2kQp"])
    scopes: list[Scope]
    expires_at: datetime.datetime | None
    last_used_at: datetime.datetime | None
    created_at: datetime.datetime

    @classmethod
    def of(cls, key: ApiKey) -> ApiKeyOut:
        """The public form of a record."""
        return cls.model_validate(_members(key, cls))


class MadeApiKey(ApiKeyOut):
    """A new API key; this is the only answer that shows it."""

    key: str


class AuditOut(BaseModel):
    """One thing that somebody did."""

    id: int
    at: datetime.datetime
    user_id: str | None
    action: str = Field(examples=["user.create"])
    resource_type: str | None
    resource_id: str | None
    address: str | None
    request_id: str | None
    detail: dict[str, Any]

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditOut:
        """The public form of a record."""
        return cls.model_validate(_members(entry, cls))


def _members(record: object, model: type[BaseModel]) -> dict[str, Any]:
    return {name: getattr(record, name) for name in model.model_fields}
