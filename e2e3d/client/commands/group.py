"""How commands are added to the program: they end with their exit code, and are loaded when they are used."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from e2e3d.runtime.reporting import EXIT_CODES, reporting

Command = Callable[..., int]


def command(app: typer.Typer, name: str | None = None, panel: str | None = None) -> Callable[[Command], Command]:
    """Add a function that returns its exit code, and whose errors become messages; `panel` is its part of the help."""

    def add(function: Command) -> Command:
        @functools.wraps(function)
        def ending(**arguments: Any) -> None:
            sys.exit(reporting(lambda: function(**arguments)))

        app.command(name, epilog=EXIT_CODES, rich_help_panel=panel)(ending)
        return function

    return add


def with_commands_of(module_of: Mapping[str, str]) -> type[TyperGroup]:
    """A group that has also the commands that `module_of` names; the module of one is imported when it is used."""

    class WithCommands(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            groups = {name: group for name, group in self.commands.items() if isinstance(group, TyperGroup)}
            own = [name for name in super().list_commands(ctx) if name not in groups]
            return list(dict.fromkeys([*own, *module_of, *groups]))

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name in module_of and cmd_name not in self.commands:
                self.commands[cmd_name] = _commands_of(module_of[cmd_name])[cmd_name]
            return super().get_command(ctx, cmd_name)

    return WithCommands


def add_group(app: typer.Typer, name: str, module: str, purpose: str, panel: str) -> None:
    """Add the commands of a module as a group; the module is imported when the group is used."""
    group = typer.Typer(cls=_all_of(module), no_args_is_help=True)
    app.add_typer(group, name=name, help=purpose, rich_help_panel=panel)


def _all_of(module: str) -> type[TyperGroup]:
    class AllOf(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            self._load()
            return super().list_commands(ctx)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            self._load()
            return super().get_command(ctx, cmd_name)

        def _load(self) -> None:
            self.commands.update(_commands_of(module))

    return AllOf


@functools.cache
def _commands_of(module: str) -> Mapping[str, Any]:
    return typer.main.get_group(import_module(module).app).commands
