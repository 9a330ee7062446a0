"""Parts of a file over HTTP (RFC 9110, sections 13 and 14): one range, validators, If-Range."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.datastructures import Headers

_RANGE = re.compile(r"bytes=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII)


@dataclass(frozen=True)
class ByteRange:
    """Bytes from `start` up to, but without, `end`."""

    start: int
    end: int


def requested_span(headers: Headers, length: int, etag: str) -> ByteRange | None:
    """Which bytes the client wants; None for all of them, an empty span for what the file does not have (416).

    Several ranges, other units and what cannot be read are answered with the whole file, as the RFC allows.
    """
    wanted = headers.get("range")
    if_range = headers.get("if-range")
    if wanted is None or (if_range is not None and if_range.strip() != etag):
        return None
    found = _RANGE.fullmatch(wanted.strip().lower())
    if found is None or found.group(1) == found.group(2) == "":
        return None
    first, last = found.groups()
    if first == "":
        count = min(int(last), length)
        return ByteRange(length - count, length)
    start, end = int(first), length if last == "" else min(int(last) + 1, length)
    if last != "" and int(last) < start:
        return None
    return ByteRange(start, end) if start < length else ByteRange(0, 0)


def is_unchanged(headers: Headers, etag: str) -> bool:
    """Whether the client has this file already (If-None-Match)."""
    known = headers.get("if-none-match")
    if known is None:
        return False
    return known.strip() == "*" or etag in {each.strip().removeprefix("W/") for each in known.split(",")}
