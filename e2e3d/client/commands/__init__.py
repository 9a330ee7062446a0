"""The commands that use a service.

What a script wants goes to standard output, everything for people to standard error. A module is imported when one of
its commands is used; the help of the program imports those of the first table, which import what is heavy (httpx,
pydantic) in their functions.
"""

from __future__ import annotations

import typer

from e2e3d.client.commands.group import add_group, with_commands_of
from e2e3d.client.commands.options import MANAGE

_COMMANDS = {
    "photographs": ("upload",),
    "submission": ("forecast", "submit", "retry", "rerun"),
    "jobs": ("list", "show", "watch", "events", "log", "cancel", "delete"),
    "results": ("results", "download", "links"),
    "access": ("login", "logout", "usage", "status"),
}
_GROUPS = {
    "sets": "Image sets and their photographs.",
    "uploads": "Uploads and imports that are under way.",
    "shares": "Models that others turn in their browser.",
    "annotations": "Titles and texts at places of a model.",
    "webhooks": "Addresses that are told of your jobs.",
    "keys": "API keys: how programs sign in.",
    "account": "Your own account.",
    "users": "Accounts, for administrators.",
}

ServiceCommands = with_commands_of(
    {name: f"{__name__}.{module}" for module, names in _COMMANDS.items() for name in names}
)
"""The program's own group, which has the commands of the first table besides those that are added to it."""

AdminCommands = with_commands_of(
    dict.fromkeys(("audit", "log-level", "overview", "jobs", "cancel"), f"{__name__}.admin")
)
"""The group ``admin``, to which the program adds what is done on the machine of the service."""


def add_groups(app: typer.Typer) -> None:
    """Add the groups of the second table."""
    for name, purpose in _GROUPS.items():
        add_group(app, name, f"{__name__}.{name}", purpose, MANAGE)
