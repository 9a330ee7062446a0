"""``e2e3d keys``: API keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from e2e3d.client.clients import Client
from e2e3d.client.commands.group import command
from e2e3d.client.commands.options import SCOPES, Json, Limit, Url
from e2e3d.client.commands.output import moment, put, put_list, say
from e2e3d.client.commands.service import first, key_id
from e2e3d.client.models import ApiKey

app = typer.Typer()


@command(app, "list")
def list_keys(limit: Limit = 50, as_json: Json = False, url: Url = None) -> int:
    """List your API keys, newest first; their secret parts are never shown again."""
    with Client(url) as client:
        found = first(limit, client.list_api_keys)
    put_keys(found, as_json)
    return 0


@command(app)
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scopes: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help="read, write or admin; may be repeated; default read and write.",
            autocompletion=lambda: SCOPES,
        ),
    ] = None,
    days: Annotated[float | None, typer.Option(help="How many days it works; default for ever.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Make an API key and print it, this once. Needs a sign-in with a password."""
    with Client(url) as client:
        made = client.create_api_key(name, scopes or ("read", "write"), days)
    put(made.model_dump_json() if as_json else made.key)
    say("Keep it safe: it is not shown again. Programs use it as E2E3D_API_KEY.")
    return 0


@command(app)
def revoke(
    keys: Annotated[list[str], typer.Argument(metavar="KEY...", help="Ids, names or beginnings.")], url: Url = None
) -> int:
    """Revoke API keys; they are refused from the next request on."""
    with Client(url) as client:
        for found in [key_id(client, one) for one in keys]:
            client.revoke_api_key(found)
            say(f"Revoked {found}.")
    return 0


def put_keys(keys: Sequence[ApiKey], as_json: bool) -> None:
    """A list of keys."""
    put_list(keys, ("KEY", "BEGINS", "SCOPES", "MADE", "LAST USED", "EXPIRES", "NAME"), _cells, as_json)


def _cells(one: ApiKey) -> tuple[str, ...]:
    used = moment(one.last_used_at) or "never"
    expires = moment(one.expires_at) or "never"
    return one.id, one.prefix, ",".join(one.scopes), moment(one.created_at), used, expires, one.name
