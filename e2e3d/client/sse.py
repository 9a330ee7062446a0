"""Reads server-sent events (WHATWG HTML, section 9.2) from bytes as they arrive."""

from __future__ import annotations

from dataclasses import dataclass

MAX_LINE_BYTES = 4 << 20


@dataclass(frozen=True)
class ServerEvent:
    """One event: its type, its data, and the id to go on from (the last one that was sent)."""

    type: str
    data: str
    id: str


class EventParser:
    """Turns pieces of a stream into events, however the pieces are cut. Raises ValueError for an endless line."""

    def __init__(self) -> None:
        self._rest = b""
        self._type = ""
        self._data: list[str] = []
        self._id = ""

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """The events that this piece completes."""
        text = self._rest + chunk
        held = text.endswith(b"\r")  # the other half of \r\n may follow
        lines = (text[:-1] if held else text).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + (b"\r" if held else b"")
        if len(self._rest) > MAX_LINE_BYTES:
            raise ValueError("a line of the event stream has no end")
        return [event for line in lines if (event := self._line(line.decode("utf-8", errors="replace"))) is not None]

    def _line(self, line: str) -> ServerEvent | None:
        if not line:
            data, kind = self._data, self._type
            self._data, self._type = [], ""
            return ServerEvent(kind or "message", "\n".join(data), self._id) if data else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._type = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        return None
