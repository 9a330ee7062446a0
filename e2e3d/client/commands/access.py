"""Sign in and out, see what you use and whether the service is ready."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from e2e3d.client.commands.group import command
from e2e3d.client.commands.options import SIGN_IN, Json, PasswordStdin, Url
from e2e3d.client.commands.output import moment, put, put_record, say
from e2e3d.errors import SettingsError

app = typer.Typer()

_STATUS_PATIENCE_S = 5.0


@command(app, panel=SIGN_IN)
def login(
    url: Url = None,
    email: Annotated[str | None, typer.Option(help="Asked for when it is not given.")] = None,
    password_stdin: PasswordStdin = False,
    key: Annotated[
        str | None, typer.Option(help="An API key instead of a password; others on this machine may see it here.")
    ] = None,
    key_stdin: Annotated[
        bool, typer.Option("--key-stdin", help="Read the API key from standard input, or ask for it.")
    ] = False,
) -> int:
    """Sign in to a service, with a password or an API key (also E2E3D_API_KEY); later commands use it."""
    from e2e3d.client import Client

    with_password = email is not None or password_stdin
    if with_password and (key is not None or key_stdin):
        raise SettingsError("bad-option", "A key needs neither an email address nor a password.", "Leave one out.")
    in_environment = os.environ.get("E2E3D_API_KEY")
    if key_stdin:
        key = secret("API key", not sys.stdin.isatty())
    elif key is None and in_environment and not with_password:
        key = in_environment
    with Client(url) as client:
        if key is not None:
            client.sign_in_with_key(key)
        else:
            client.sign_in(email or prompt("Email"), secret("Password", password_stdin))
        how = "" if key is None else ", with an API key"
        say(f"Signed in to {client.session.url} as {client.me().email}{how}.")
    if in_environment and in_environment != key:
        say("E2E3D_API_KEY is set: later commands use that key as long as it is.")
    return 0


@command(app, panel=SIGN_IN)
def logout(url: Url = None) -> int:
    """End the sign-in; an API key is only forgotten here, and revoked by e2e3d keys revoke."""
    from e2e3d.client import Client

    with Client(url) as client:
        client.sign_out()
        say(f"Signed out of {client.session.url}.")
    return 0


@command(app, panel=SIGN_IN)
def usage(as_json: Json = False, url: Url = None) -> int:
    """Show who you are, your quotas, and what you use of them."""
    from e2e3d.client import Client
    from e2e3d.client.commands.account_fields import account_fields

    with Client(url) as client:
        account = client.me()
        unfinished = 0 if as_json else sum(1 for _ in client.all_jobs(("queued", "running")))
    fields = account_fields(account) | {
        "unfinished jobs": f"{unfinished} of {account.quotas.jobs}",
        "scopes": ", ".join(account.scopes),
        "since": moment(account.created_at),
    }
    put_record(account, fields, as_json)
    return 0


@command(app, panel=SIGN_IN)
def status(as_json: Json = False, url: Url = None) -> int:
    """Ask whether the service is ready, and for administrators each part that it needs; exit code 5 if it is not."""
    from e2e3d.client import Client

    with Client(url, patience_s=_STATUS_PATIENCE_S) as client:
        found = client.readiness()
    if as_json:
        put(found.model_dump_json())
    else:
        put(f"{'service':<12} {found.status}")
        for name, part in (found.parts or {}).items():
            put(f"{name:<12} {part.status}" + (f": {part.detail}" if part.detail else ""))
    return 0 if found.status == "ok" else 5


def prompt(question: str) -> str:
    """Ask the user. Ctrl-C ends the program, and so does an end of input."""
    try:
        return str(typer.prompt(question, err=True))
    except typer.Abort as error:
        raise KeyboardInterrupt from error


def secret(question: str, from_stdin: bool) -> str:
    """A password or a key: the first line of standard input, or asked for without showing it."""
    if from_stdin:
        return sys.stdin.readline().strip("\r\n")
    try:
        return str(typer.prompt(question, hide_input=True, err=True))
    except typer.Abort as error:
        raise KeyboardInterrupt from error
