"""What requests about accounts carry, and what they are answered with."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import AfterValidator, ConfigDict, Field

from e2e3d.service.http.wire import RequestModel, ResponseModel, values

if TYPE_CHECKING:
    from e2e3d.service.accounts.records import User

_PASSWORD_MIN_LENGTH, _PASSWORD_MAX_LENGTH = 10, 256
Scope = Literal["read", "write", "admin"]
Role = Literal["admin", "user"]
KnownScope = Annotated[str, values(*get_args(Scope))]
"""A scope in a response."""


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
    Text,
    Field(
        min_length=_PASSWORD_MIN_LENGTH, max_length=_PASSWORD_MAX_LENGTH, examples=["a long phrase that only you know"]
    ),
]
GivenPassword = Annotated[Text, Field(max_length=_PASSWORD_MAX_LENGTH)]
_Count = Annotated[int, Field(ge=0, le=2_000_000_000)]
_Bytes = Annotated[int, Field(ge=0, le=2**62)]


class QuotasOut(ResponseModel):
    """What a user may use at most."""

    photos: int = Field(description="Photographs of one job.")
    bytes: int = Field(description="Stored bytes.")
    jobs: int = Field(description="Unfinished jobs, queued and running ones together.")


class UserOut(ResponseModel):
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
    role: Annotated[str, values(*get_args(Role))]
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
        return cls.from_record(user)


class ChangedUser(UserOut):
    """An account after a change, and what the change has ended."""

    revoked_logins: int = Field(description="Logins that have ended: all, with a new password or when disabled.")
    revoked_api_keys: int = Field(description="API keys that were revoked: all, with a new password.")


class Me(UserOut):
    """Your account, and what this token may do."""

    scopes: tuple[KnownScope, ...]


class MyChange(RequestModel):
    """Changes to your account."""

    name: Name | None = None


class PasswordChange(RequestModel, extra="ignore"):
    """A new password, with the one it replaces."""

    current_password: GivenPassword
    new_password: NewPassword


class NewUser(RequestModel):
    """An account to make; quotas that are missing are those of the service."""

    email: Email
    password: NewPassword
    name: Name = ""
    role: Role = "user"
    quota_photos: _Count | None = None
    quota_bytes: _Bytes | None = None
    quota_jobs: _Count | None = None


class UserEdit(RequestModel):
    """Changes to an account; what is missing stays as it is.

    A new password ends the user's logins and revokes the user's API keys, unless `keep_api_keys` is set.
    """

    name: Name | None = None
    role: Role | None = None
    disabled: bool | None = None
    password: NewPassword | None = None
    keep_api_keys: bool = False
    quota_photos: _Count | None = None
    quota_bytes: _Bytes | None = None
    quota_jobs: _Count | None = None
