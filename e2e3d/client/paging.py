"""Lists that come in pages, one page after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from e2e3d.client.flow import Emit, Flow
from e2e3d.client.models import Page

Item = TypeVar("Item")


def all_items(page: Callable[[str | None], Flow[Page[Item]]]) -> Flow[list[Item]]:
    """Everything in a list; `page` asks for the page at a cursor."""
    items: list[Item] = []
    cursor: str | None = None
    while True:
        found = yield from page(cursor)
        items += found.items
        cursor = found.next_cursor
        if cursor is None:
            return items


def each_item(page: Callable[[str | None], Flow[Page[Item]]]) -> Flow[None]:
    """Emits everything in a list; the next page is asked for when it is needed."""
    cursor: str | None = None
    while True:
        found = yield from page(cursor)
        for item in found.items:
            yield Emit(item)
        cursor = found.next_cursor
        if cursor is None:
            return
