"""``e2e3d users``: accounts, for administrators."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

import typer

from e2e3d.client.clients import Client
from e2e3d.client.commands.access import secret
from e2e3d.client.commands.account_fields import account_fields, account_state
from e2e3d.client.commands.group import command
from e2e3d.client.commands.keys import put_keys
from e2e3d.client.commands.options import (
    Json,
    Limit,
    PasswordStdin,
    QuotaBytes,
    QuotaJobs,
    QuotaPhotos,
    Role,
    Url,
)
from e2e3d.client.commands.output import moment, put, put_list, put_record, say
from e2e3d.client.commands.parsing import parse_size
from e2e3d.client.commands.service import first, key_id, user_id
from e2e3d.client.display import size
from e2e3d.client.models import User
from e2e3d.errors import SettingsError

app = typer.Typer()
UserName = Annotated[str, typer.Argument(metavar="USER", help="Email address or id.")]
_PASSWORD_BYTES = 18


@command(app, "list")
def list_users(limit: Limit = 50, as_json: Json = False, url: Url = None) -> int:
    """List accounts, newest first."""
    with Client(url) as client:
        found = first(limit, client.list_users)
    put_list(found, ("USER", "EMAIL", "ROLE", "STATE", "STORED", "MADE", "NAME"), _cells, as_json)
    return 0


@command(app)
def show(user: UserName, as_json: Json = False, url: Url = None) -> int:
    """Show an account, its quotas, and what it stores."""
    with Client(url) as client:
        found = client.user(user_id(client, user))
    put_record(found, account_fields(found) | {"since": moment(found.created_at)}, as_json)
    return 0


@command(app)
def create(
    email: Annotated[str, typer.Argument(help="What its owner signs in with.")],
    name: Annotated[str, typer.Option(help="Of its owner.")] = "",
    role: Role = "user",
    quota_photos: QuotaPhotos = None,
    quota_bytes: QuotaBytes = None,
    quota_jobs: QuotaJobs = None,
    password_stdin: PasswordStdin = False,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Make an account and print its password, or only its id if standard input gives the password."""
    password = _password(password_stdin)
    quotas = _quotas(quota_photos, quota_bytes, quota_jobs)
    with Client(url) as client:
        made = client.create_user(email, password, name, role or "user", **quotas)
    say(f"Made {made.email}, {made.id}.")
    _put_password(made, password, password_stdin, as_json)
    return 0


@command(app)
def edit(
    user: UserName,
    name: Annotated[str | None, typer.Option(help="Of its owner.")] = None,
    role: Role = None,
    quota_photos: QuotaPhotos = None,
    quota_bytes: QuotaBytes = None,
    quota_jobs: QuotaJobs = None,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Change the name, the role or the quotas of an account."""
    changes = {"name": name, "role": role} | _quotas(quota_photos, quota_bytes, quota_jobs)
    if all(value is None for value in changes.values()):
        raise SettingsError("nothing-to-change", "There is nothing to change.", "See e2e3d users edit --help.")
    with Client(url) as client:
        changed = client.change_user(user_id(client, user), **changes)
    put_record(changed, account_fields(changed), as_json)
    return 0


@command(app)
def reset(
    user: UserName,
    password_stdin: PasswordStdin = False,
    keep_keys: Annotated[bool, typer.Option("--keep-keys", help="Leave its API keys as they are.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Give an account a new password and print it, unless standard input gives it; its sign-ins and keys end."""
    password = _password(password_stdin)
    with Client(url) as client:
        changed = client.change_user(user_id(client, user), password=password, keep_api_keys=keep_keys)
    ended = f"{changed.revoked_logins} sign-ins and {changed.revoked_api_keys} keys have ended"
    say(f"{changed.email} has a new password; {ended}.")
    _put_password(changed, password, password_stdin, as_json)
    return 0


@command(app)
def disable(user: UserName, url: Url = None) -> int:
    """Lock an account: its sign-ins and keys are refused from the next request on."""
    return _set_disabled(url, user, True)


@command(app)
def enable(user: UserName, url: Url = None) -> int:
    """Unlock an account."""
    return _set_disabled(url, user, False)


@command(app)
def delete(user: UserName, url: Url = None) -> int:
    """Delete an account: it is locked and its jobs are cancelled at once, and later it goes with all that it owns."""
    with Client(url) as client:
        deleted = client.delete_user(user_id(client, user))
    say(f"Deleted {deleted.email}. Until {moment(deleted.purge_at)} UTC: e2e3d users restore {deleted.id}")
    return 0


@command(app)
def restore(user: UserName, url: Url = None) -> int:
    """Take the deletion of an account back; jobs that were cancelled stay so."""
    with Client(url) as client:
        restored = client.restore_user(user_id(client, user))
    say(f"{restored.email} is {account_state(restored)}.")
    return 0


@command(app)
def keys(user: UserName, limit: Limit = 50, as_json: Json = False, url: Url = None) -> int:
    """List the API keys of a user, newest first."""
    with Client(url) as client:
        owner = user_id(client, user)
        found = first(limit, lambda size, cursor: client.list_user_api_keys(owner, size, cursor))
    put_keys(found, as_json)
    return 0


@command(app, "revoke-key")
def revoke_key(
    user: UserName,
    names: Annotated[list[str], typer.Argument(metavar="KEY...", help="Ids, names or beginnings.")],
    url: Url = None,
) -> int:
    """Revoke API keys of a user; they are refused from the next request on."""
    with Client(url) as client:
        owner = user_id(client, user)
        for found in [key_id(client, one, owner) for one in names]:
            client.revoke_user_api_key(owner, found)
            say(f"Revoked {found}.")
    return 0


def _set_disabled(url: str | None, user: str, disabled: bool) -> int:
    with Client(url) as client:
        changed = client.change_user(user_id(client, user), disabled=disabled)
    say(f"{changed.email} is {account_state(changed)}.")
    return 0


def _quotas(photos: int | None, stored: str | None, jobs: int | None) -> dict[str, Any]:
    stored_bytes = None if stored is None else parse_size(stored)
    return {"quota_photos": photos, "quota_bytes": stored_bytes, "quota_jobs": jobs}


def _password(from_stdin: bool) -> str:
    return secret("Password", True) if from_stdin else secrets.token_urlsafe(_PASSWORD_BYTES)


def _put_password(user: User, password: str, was_given: bool, as_json: bool) -> None:
    if as_json:
        put(user.model_dump_json())
    if not was_given:
        say(f"The password, which its owner should change: {password}") if as_json else put(password)
    elif not as_json:
        put(user.id)


def _cells(user: User) -> tuple[str, ...]:
    stored = size(user.stored_bytes)
    return user.id, user.email, user.role, account_state(user), stored, moment(user.created_at), user.name
