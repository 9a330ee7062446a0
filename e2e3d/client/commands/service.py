"""The service as commands use it: opened, its lists read as far as wanted, its things found by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from e2e3d.client.clients import Client
from e2e3d.client.errors import InvalidRequestError, NotFoundError
from e2e3d.client.models import ApiKey, ImageSet, Job, Page, Photo, User, Webhook

Item = TypeVar("Item")
_PAGE = 200
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHOWN = 10


def first(limit: int, page: Callable[[int, str | None], Page[Item]]) -> list[Item]:
    """The first `limit` items of a list; `page` asks for so many after a cursor."""
    items: list[Item] = []
    cursor: str | None = None
    while len(items) < limit:
        found = page(min(limit - len(items), _PAGE), cursor)
        items += found.items
        cursor = found.next_cursor
        if cursor is None:
            break
    return items


def everything(page: Callable[[int, str | None], Page[Item]]) -> list[Item]:
    """All items of a list."""
    return first(2**63, page)


def image_set_id(client: Client, given: str) -> str:
    """The id of an image set that is given by id or name. Raises as :func:`_only_one`."""
    if _is_id(given):
        return given
    found = everything(lambda limit, cursor: client.list_image_sets(limit, cursor, given))
    return _only_one("image set", given, [one for one in found if one.name == given], _describe_set, "sets list").id


def job_id(client: Client, given: str) -> str:
    """The id of a job that is given by id or name. Raises as :func:`_only_one`."""
    if _is_id(given):
        return given
    found = everything(lambda limit, cursor: client.list_jobs(None, limit, cursor, given))
    return _only_one("job", given, [one for one in found if one.name == given], _describe_job, "list").id


def photo_id(client: Client, set_id: str, given: str, known: Sequence[Photo] | None = None) -> str:
    """The id of a photograph that is given by id or name; `known` are those of the set, if they have been asked for."""
    if _is_id(given):
        return given
    photos = list(client.all_photos(set_id)) if known is None else known
    matches = [one for one in photos if one.name == given]
    return _only_one("photograph", given, matches, lambda one: one.id, "sets photos SET").id


def key_id(client: Client, given: str, owner: str | None = None) -> str:
    """The id of an API key that is given by id, name or its beginning; of the user with the id `owner`, or your own."""
    if _is_id(given):
        return given
    if owner is None:
        keys, listing = everything(client.list_api_keys), "keys list"
    else:
        keys, listing = everything(partial(client.list_user_api_keys, owner)), "users keys USER"
    matches = [one for one in keys if given in (one.name, one.prefix)]
    return _only_one("API key", given, matches, _describe_key, listing).id


def user_id(client: Client, given: str) -> str:
    """The id of a user who is given by id or email address."""
    if _is_id(given):
        return given
    matches = [one for one in everything(client.list_users) if one.email.lower() == given.lower()]
    return _only_one("user", given, matches, _describe_user, "users list").id


def webhook_id(client: Client, given: str) -> str:
    """The id of a webhook that is given by id or address."""
    if _is_id(given):
        return given
    matches = [one for one in everything(client.list_webhooks) if one.url == given]
    return _only_one("webhook", given, matches, _describe_webhook, "webhooks list").id


def _is_id(given: str) -> bool:
    return _ID.fullmatch(given) is not None


def _only_one(kind: str, given: str, matches: Sequence[Item], describe: Callable[[Item], str], listing: str) -> Item:
    """The only match.

    Raises:
        NotFoundError: there is none.
        InvalidRequestError: ``ambiguous-name``: there are several, which the message lists.
    """
    if not matches:
        raise NotFoundError(
            "no-such-name", f"There is no {kind} {given!r}.", f"See which there are: e2e3d {listing}", 404
        )
    if len(matches) > 1:
        lines = [f"\n  {describe(one)}" for one in matches[:_SHOWN]]
        more = f"\n  and {len(matches) - _SHOWN} more" if len(matches) > _SHOWN else ""
        raise InvalidRequestError(
            "ambiguous-name", f"There are {len(matches)} of the name {given!r}:{''.join(lines)}{more}", "Give an id."
        )
    return matches[0]


def _describe_set(one: ImageSet) -> str:
    return f"{one.id}  {one.photo_count} photographs, made {one.created_at:%Y-%m-%d %H:%M}"


def _describe_job(one: Job) -> str:
    return f"{one.id}  {one.state}, submitted {one.created_at:%Y-%m-%d %H:%M}"


def _describe_key(one: ApiKey) -> str:
    return f"{one.id}  {one.prefix}, made {one.created_at:%Y-%m-%d %H:%M}"


def _describe_user(one: User) -> str:
    return f"{one.id}  {one.role}"


def _describe_webhook(one: Webhook) -> str:
    return f"{one.id}  made {one.created_at:%Y-%m-%d %H:%M}"
