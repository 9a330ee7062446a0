"""Writes docs/cli.md from the parser of the command line.

usage: scripts/commands_page.py            prints the page; make docs writes it, and a test says when it is old
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer

from e2e3d.cli import app
from e2e3d.runtime.reporting import EXIT_CODES

_HEAD = """# Every command

Made from the parser by `make docs`; `e2e3d COMMAND --help` says the same. How commands go together:
[README](../README.md), [api.md](api.md).

- Where a JOB, a SET, a USER, a KEY or a WEBHOOK is asked for, its name (a user's address, a webhook's URL) does as well
  as its id. If several have the name, the command says which, and does nothing.
- Results go to standard output, one a line or with `--json` as JSON; what is for people goes to standard error.
- Every command that uses a service takes `--url URL`; the default is E2E3D_URL, or where you signed in last.
- Completion: `e2e3d --install-completion` sets up the shell that you use (bash, zsh or fish); packages take the script
  from `_E2E3D_COMPLETE=source_bash e2e3d` (or `source_zsh`, `source_fish`).
- {exit_codes}
"""


def page() -> str:
    """The whole page."""
    program = typer.main.get_command(app)
    parts = [_HEAD.format(exit_codes=EXIT_CODES)]
    panels: dict[str, list[str]] = {}
    for name, command in _commands(program):
        if hasattr(command, "list_commands"):
            lines = [text for sub, one in _commands(command) for text in _described(f"{name} {sub}", one)]
            panels.setdefault(f"`e2e3d {name}`: {command.help}", lines)
        else:
            panels.setdefault(command.rich_help_panel, []).extend(_described(name, command))
    for title, lines in panels.items():
        parts.append(f"\n## {title}\n\n" + "\n".join(lines))
    return "".join(parts).rstrip("\n") + "\n"


def _commands(group: Any) -> Iterator[tuple[str, Any]]:
    context = typer.Context(group)
    return ((name, group.get_command(context, name)) for name in group.list_commands(context))


def _described(name: str, command: Any) -> Iterator[str]:
    arguments = [_argument(one) for one in command.params if one.param_type_name == "argument"]
    yield f"### e2e3d {' '.join([name, *arguments])}\n"
    yield f"{' '.join(command.help.split())}\n"
    rows = [_row(one) for one in command.params if one.name != "url"]
    if rows:
        yield "\n".join(["| | |", "|---|---|", *rows]) + "\n"


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _cells(_argument(parameter), parameter.help or "")
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    value = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
    default = parameter.default
    shown = "" if default in (None, False, True, "") or callable(default) else f" Default {default}."
    return _cells(f"{names}{value}", f"{parameter.help or ''}{shown}")


def _argument(parameter: Any) -> str:
    name: str = parameter.metavar or parameter.name.upper()
    name = name if parameter.nargs == 1 or name.endswith("...") else f"{name}..."
    return name if parameter.required or name.startswith("[") else f"[{name}]"


def _cells(left: str, right: str) -> str:
    return f"| `{left.replace('|', chr(92) + '|')}` | {right.replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    sys.stdout.write(page())
