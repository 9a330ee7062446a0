"""Read a multipart form as it arrives (RFC 7578): never more of it in memory than one chunk."""

from __future__ import annotations

from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from e2e3d.service.http.problems import BodyError

MAX_FILES = 10_000
_MAX_FIELD_BYTES = 64_000
_HINT = "Send multipart/form-data with one part for each file, such as curl -F file=@IMG_0001.jpg does."


@dataclass(frozen=True)
class FileStart:
    """A file begins; `name` is what the client calls it."""

    name: str


@dataclass(frozen=True)
class FileData:
    """More of the file."""

    data: bytes


@dataclass(frozen=True)
class FileEnd:
    """The file is whole."""


FormEvent = FileStart | FileData | FileEnd


class FormReader:
    """Turns chunks of a form into events; fields that are no files are passed over.

    Raises:
        BodyError: ``form-broken`` (400), ``form-type`` (415).
    """

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or b"boundary" not in options:
            raise BodyError(415, "form-type", f"{content_type or 'Nothing'} is no form with files.", _HINT)
        self._events: list[FormEvent] = []
        self._header = (bytearray(), bytearray())
        self._disposition = b""
        self._in_file = self._ended = False
        self._field_bytes = self._files = 0
        try:
            self._parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._part_data,
                    "on_part_end": self._part_ends,
                    "on_end": self._form_ends,
                },
            )
        except FormParserError as error:
            raise _broken(str(error)) from error

    def feed(self, chunk: bytes) -> list[FormEvent]:
        """What the next chunk of the body says."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _broken(str(error)) from error
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """The body is over. Raises BodyError when the form is not."""
        if not self._ended:
            raise _broken("it ends in the middle")

    def _part_begins(self) -> None:
        self._disposition, self._field_bytes = b"", 0

    def _header_ends(self) -> None:
        name, value = (bytes(part) for part in self._header)
        if name.lower() == b"content-disposition":
            self._disposition = value
        self._header[0].clear()
        self._header[1].clear()

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._in_file = b"filename" in options
        if self._in_file:
            self._files += 1
            if self._files > MAX_FILES:
                raise BodyError(413, "too-many-files", f"The form has more than {MAX_FILES} files.", "Send fewer.")
            self._events.append(FileStart(options[b"filename"].decode("utf-8", "replace")))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._events.append(FileData(data[start:end]))
            return
        self._field_bytes += end - start
        if self._field_bytes > _MAX_FIELD_BYTES:
            raise BodyError(413, "field-too-large", "A field of the form is too long.", _HINT)

    def _part_ends(self) -> None:
        if self._in_file:
            self._events.append(FileEnd())

    def _form_ends(self) -> None:
        self._ended = True


def _broken(why: str) -> BodyError:
    return BodyError(400, "form-broken", f"The form cannot be read: {why}.", _HINT)
