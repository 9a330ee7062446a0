"""What commands print: results for scripts to standard output, everything for people to standard error."""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from e2e3d.client.models import Record

Item = TypeVar("Item", bound="Record")


def put(text: str) -> None:
    """A line of the result. A reader that has gone, such as ``head``, ends the program quietly."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter complains at its end
        raise SystemExit(0) from None


def say(text: str) -> None:
    """A line for people."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def put_list(
    rows: Sequence[Item], headers: Sequence[str], cells: Callable[[Item], Sequence[str]], as_json: bool
) -> None:
    """A list: JSON, or aligned columns, on a terminal under their names."""
    if as_json:
        put(json.dumps([row.model_dump(mode="json") for row in rows]))
        return
    lines = [[printable(cell) for cell in cells(row)] for row in rows]
    if lines and sys.stdout.isatty():
        lines.insert(0, list(headers))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        put("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def put_record(record: Record, fields: Mapping[str, str | None], as_json: bool) -> None:
    """One thing: JSON, or a line for each field that has a value."""
    if as_json:
        put(record.model_dump_json())
        return
    shown = {name: printable(value) for name, value in fields.items() if value}
    width = max(map(len, shown))
    for name, value in shown.items():
        put(f"{name.ljust(width)}  {value}")


def printable(text: str) -> str:
    """Text that cannot steer a terminal: names come from other people."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def moment(at: datetime.datetime | None) -> str:
    """A time for people, in UTC; nothing for none."""
    return "" if at is None else f"{at.astimezone(datetime.UTC):%Y-%m-%d %H:%M}"
