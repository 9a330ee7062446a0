"""``e2e3d account``: your own account."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from e2e3d.client.clients import Client
from e2e3d.client.commands.access import secret
from e2e3d.client.commands.group import command
from e2e3d.client.commands.options import Json, PasswordStdin, Url
from e2e3d.client.commands.output import moment, put_list, say
from e2e3d.client.models import Login
from e2e3d.errors import SettingsError

app = typer.Typer()


@command(app)
def rename(name: Annotated[str, typer.Argument(help="Your name.")], url: Url = None) -> int:
    """Change your name."""
    with Client(url) as client:
        account = client.rename_account(name)
    say(f"{account.email} is called {account.name}.")
    return 0


@command(app)
def sessions(as_json: Json = False, url: Url = None) -> int:
    """List where you are signed in, the sign-in used last first."""
    with Client(url) as client:
        found = client.list_sessions()
    put_list(found, ("SIGN-IN", "BEGAN", "RENEWED", "FROM", ""), _cells, as_json)
    return 0


@command(app, "end-session")
def end_session(
    sign_ins: Annotated[list[str], typer.Argument(metavar="SIGN-IN...", help="Ids.")], url: Url = None
) -> int:
    """End sign-ins; whoever has them is out from the next request on. Needs a sign-in with a password."""
    with Client(url) as client:
        for one in sign_ins:
            client.end_session(one)
            say(f"Ended {one}.")
    return 0


@command(app)
def password(password_stdin: PasswordStdin = False, url: Url = None) -> int:
    """Change your password; your other sign-ins end. Standard input gives the old and the new one, a line each."""
    current = secret("Current password", password_stdin)
    new = secret("New password", password_stdin)
    if not password_stdin and sys.stdin.isatty() and secret("The new password again", False) != new:
        raise SettingsError("passwords-differ", "The new password was not the same twice.", "Try again.")
    with Client(url) as client:
        client.change_password(current, new)
    say("Your password is changed.")
    return 0


def _cells(one: Login) -> tuple[str, ...]:
    return one.id, moment(one.began_at), moment(one.renewed_at), one.address or "", "this one" if one.current else ""
