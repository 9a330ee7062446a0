"""Where a HEIF file keeps the coded data of its picture (ISO/IEC 14496-12 8.11 and 23008-12)."""

from __future__ import annotations

from collections.abc import Iterator

_HVCC_LENGTH_SIZE = 21  # offset of the byte whose lowest two bits say how long the length of a unit is


def coded_images(data: bytes) -> Iterator[bytes]:
    """The HEVC data of the primary picture, one after another of its tiles; nothing where it is kept in another way."""
    try:
        meta = _boxes(data, *_find(data, 0, len(data), b"meta"), header=4)
        primary = _item_number(data, meta[b"pitm"], 4)
        kinds = _kinds(data, meta[b"iinf"])
        tiles = _tiles(data, meta, primary) if kinds.get(primary) == b"grid" else [primary]
        places = _places(data, meta[b"iloc"])
        for item in tiles:
            if kinds.get(item) == b"hvc1" and item in places:
                yield b"".join(data[start : start + length] for start, length in places[item])
    except (KeyError, IndexError):
        return  # an image sequence, or boxes that the decoder will refuse


def length_size(data: bytes) -> int:
    """Bytes of the length that stands before each unit of HEVC data."""
    at = data.find(b"hvcC")
    return 4 if at < 0 else (data[at + 4 + _HVCC_LENGTH_SIZE] & 3) + 1


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _walk(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the content of each box."""
    while start + 8 <= end:
        size, kind, head = _number(data, start, 4), data[start + 4 : start + 8], 8
        if size == 1:
            size, head = _number(data, start + 8, 8), 16
        stop = end if size == 0 else min(end, start + size)
        if stop < start + head:
            return
        yield kind, start + head, stop
        start = stop


def _find(data: bytes, start: int, end: int, wanted: bytes) -> tuple[int, int]:
    return next(((a, b) for kind, a, b in _walk(data, start, end) if kind == wanted), (end, end))


def _boxes(data: bytes, start: int, end: int, header: int) -> dict[bytes, tuple[int, int]]:
    return {kind: (a, b) for kind, a, b in _walk(data, start + header, end)}


def _item_number(data: bytes, box: tuple[int, int], after: int) -> int:
    return _number(data, box[0] + after, 2 if data[box[0]] == 0 else 4)


def _kinds(data: bytes, box: tuple[int, int]) -> dict[int, bytes]:
    start, end = box
    kinds = {}
    for kind, at, _ in _walk(data, start + (6 if data[start] == 0 else 8), end):
        if kind == b"infe" and data[at] >= 2:
            size = 2 if data[at] == 2 else 4
            kinds[_number(data, at + 4, size)] = data[at + 6 + size : at + 10 + size]
    return kinds


def _tiles(data: bytes, meta: dict[bytes, tuple[int, int]], grid: int) -> list[int]:
    start, end = meta[b"iref"]
    size = 2 if data[start] == 0 else 4
    for kind, at, _ in _walk(data, start + 4, end):
        if kind == b"dimg" and _number(data, at, size) == grid:
            count = _number(data, at + size, 2)
            return [_number(data, at + size + 2 + i * size, size) for i in range(count)]
    return []


def _places(data: bytes, box: tuple[int, int]) -> dict[int, list[tuple[int, int]]]:
    """Start and length of the extents of the items that lie in the file itself."""
    at = box[0] + 6
    version, sizes = data[box[0]], _number(data, box[0] + 4, 2)
    offset_size, length_bytes, base_size, index_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15
    wide = 4 if version == 2 else 2
    count = _number(data, at, wide)
    at += wide
    places: dict[int, list[tuple[int, int]]] = {}
    for _ in range(count):
        item = _number(data, at, wide)
        at += wide
        method = 0
        if version > 0:
            method, at = _number(data, at, 2) & 15, at + 2
        base = _number(data, at + 2, base_size)
        at += 2 + base_size
        extents, at = _number(data, at, 2), at + 2
        for _ in range(extents):
            at += index_size if version > 0 else 0
            extent = base + _number(data, at, offset_size), _number(data, at + offset_size, length_bytes)
            at += offset_size + length_bytes
            if method == 0:
                places.setdefault(item, []).append(extent)
        if at > box[1]:
            raise IndexError
    return places
