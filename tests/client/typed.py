"""Commands as a user types them, in this process."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner, Result

from e2e3d.cli import app


def command(*arguments: object, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)


def printed(*arguments: object, typed: str | None = None) -> str:
    """What a command that must succeed writes for scripts."""
    done = command(*arguments, typed=typed)
    assert done.exit_code == 0, done.stderr
    return done.stdout.strip()


def as_json(*arguments: object) -> Any:
    """What a command says to programs."""
    return json.loads(printed(*arguments, "--json"))


def refused(*arguments: object, code: str, exit_code: int, typed: str | None = None) -> str:
    """What a command that must fail with this error tells people."""
    done = command(*arguments, typed=typed)
    assert (done.exit_code, done.stdout) == (exit_code, ""), done.output
    assert done.stderr.splitlines()[0].startswith(f"Error [{code}]: "), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr
