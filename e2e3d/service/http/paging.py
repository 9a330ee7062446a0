"""Lists in pages: cursors that say where the next page begins, and nothing that users may rely on."""

from __future__ import annotations

import base64
import binascii
import datetime
import json
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query

from e2e3d.service.http.problems import ProblemError
from e2e3d.service.http.timestamps import in_utc

Item = TypeVar("Item")
Limit = Annotated[int, Query(ge=1, le=200, description="How many items at most.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]
NameContains = Annotated[str | None, Query(max_length=200, description="Part of the name.")]


def cursor_of(at: datetime.datetime, item_id: str) -> str:
    """The cursor of the page after the item made at `at` with this id."""
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), item_id]).encode()).decode().rstrip("=")


def position_of(cursor: str | None) -> tuple[datetime.datetime, str] | None:
    """What :func:`cursor_of` was made from.

    Raises:
        ProblemError: ``cursor`` (422) when it is none of ours.
    """
    if cursor is None:
        return None
    try:
        at, item_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        moment = in_utc(datetime.datetime.fromisoformat(at))
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise bad_cursor() from error
    if not isinstance(item_id, str) or len(item_id) > 64 or not item_id.isprintable():
        raise bad_cursor()
    return moment, item_id


def bad_cursor() -> ProblemError:
    """422 for a cursor that is none of ours."""
    return ProblemError(422, "cursor", "The cursor is not one of this list.", "Begin again without a cursor.")


def plain(text: str | None) -> str | None:
    """Text that a database can be asked for."""
    return None if text is None else text.replace("\0", "")


def page_of(
    found: Sequence[Item], limit: int, key: Callable[[Item], tuple[datetime.datetime, str]]
) -> tuple[Sequence[Item], str | None]:
    """Items of a page and the cursor of the next one, from a query that asked for one item more than `limit`."""
    if len(found) <= limit:
        return found, None
    return found[:limit], cursor_of(*key(found[limit - 1]))
