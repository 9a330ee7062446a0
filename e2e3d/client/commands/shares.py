"""``e2e3d shares``: models that others turn in their browser."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from e2e3d.client.clients import Client
from e2e3d.client.commands.access import secret
from e2e3d.client.commands.group import command
from e2e3d.client.commands.options import JobName, Json, Limit, PasswordStdin, Url
from e2e3d.client.commands.output import moment, put, put_list, say
from e2e3d.client.commands.service import first, job_id
from e2e3d.client.models import Share

app = typer.Typer()


@command(app, "list")
def list_shares(job: JobName, limit: Limit = 50, as_json: Json = False, url: Url = None) -> int:
    """List the addresses by which the model of a job is shared, newest first."""
    with Client(url) as client:
        found = first(limit, partial(client.list_shares, job_id(client, job)))
    put_list(found, ("SHARE", "PASSWORD", "MADE", "EXPIRES", "ADDRESS"), _cells, as_json)
    return 0


@command(app)
def create(
    job: JobName,
    days: Annotated[float | None, typer.Option(help="How many days it works; default until it is withdrawn.")] = None,
    password_stdin: PasswordStdin = False,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Print an address at which anybody can turn the model of a job in a browser."""
    password = secret("Password of the address", True) if password_stdin else None
    with Client(url) as client:
        made = client.share(job_id(client, job), days, password)
    put(made.model_dump_json() if as_json else made.url)
    say(f"Take it back with: e2e3d shares withdraw {made.id}")
    return 0


@command(app)
def withdraw(
    shares: Annotated[list[str], typer.Argument(metavar="SHARE...", help="Ids; see e2e3d shares list.")],
    url: Url = None,
) -> int:
    """Withdraw addresses; they show nothing from the next request on."""
    with Client(url) as client:
        for one in shares:
            client.withdraw_share(one)
            say(f"Withdrew {one}.")
    return 0


def _cells(one: Share) -> tuple[str, ...]:
    return (
        one.id,
        "yes" if one.has_password else "no",
        moment(one.created_at),
        moment(one.expires_at) or "never",
        one.url,
    )
