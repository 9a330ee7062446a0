"""Members of zip archives, unpacked within limits: never more bytes than the archive says, whatever they are packed as.

The format is that of APPNOTE.TXT 6.3.10. Python's own reader gives a decoder all packed bytes at once, so that the
sizes of the directory bound what it returns but not what it holds; this one asks for a block at a time.
"""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import threading
import zipfile
import zlib
from typing import BinaryIO, Protocol

MAX_LZMA_DICTIONARY_BYTES = 64 << 20
"""Of history that a member compressed with LZMA may refer to; the decoder holds it in memory."""

_PACKED_BYTES = 64 << 10
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LZMA_HEADER = struct.Struct("<2xHBI")
_SMALLEST_DICTIONARY_BYTES = 4096
_METHODS = {8: "deflate", 9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd", 99: "AES"}


class MemberError(Exception):
    """A member is damaged, lies about its size, or is packed in a way that is not understood."""


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class MemberFile(io.RawIOBase):
    """A member as a file that is read from its start to its end.

    Args:
        archive: the archive.
        lock: held while the archive is read; the members of one archive share it.
        member: as the directory describes it.

    Raises:
        MemberError: when it or a read meets damaged data, more bytes than the directory says, fewer, or others than
            its checksum was made of.
    """

    def __init__(self, archive: BinaryIO, lock: threading.Lock, member: zipfile.ZipInfo) -> None:
        self._archive = archive
        self._lock = lock
        self._member = member
        self._next = self._data_start()
        self._packed_left = member.compress_size
        self._left = member.file_size
        self._checksum = 0
        self._decoder = self._new_decoder()

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def readinto(self, buffer: object) -> int:
        """Unpack into `buffer`; the last read also checks the length and the checksum."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        if not self._left:
            self._check_end()
            return 0
        data = self._unpacked(min(len(view), self._left))
        if not data and len(view):
            raise MemberError("it is shorter than its archive says")
        view[: len(data)] = data
        self._left -= len(data)
        self._checksum = zlib.crc32(data, self._checksum)
        return len(data)

    def _check_end(self) -> None:
        if self._unpacked(1):
            raise MemberError("it is longer than its archive says")
        if self._checksum != self._member.CRC:
            raise MemberError("its checksum does not fit")

    def _unpacked(self, most: int) -> bytes:
        """The next bytes, at most so many; none at the end."""
        if self._decoder is None:
            return self._packed(most)
        packed = b""
        while not self._decoder.eof:
            try:
                data = self._decoder.decompress(packed, most)
            except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
                raise MemberError(f"its packed data are damaged: {error}") from error
            if data:
                return data
            packed = self._packed(_PACKED_BYTES)
            if not packed:
                break
        return b""

    def _packed(self, most: int) -> bytes:
        with self._lock:
            self._archive.seek(self._next)
            data = self._archive.read(min(most, self._packed_left))
        self._next += len(data)
        self._packed_left -= len(data)
        return data

    def _data_start(self) -> int:
        with self._lock:
            self._archive.seek(self._member.header_offset)
            header = self._archive.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
            raise MemberError("it does not begin where its archive says")
        _, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(header)
        return int(self._member.header_offset + _LOCAL_HEADER.size + name_bytes + extra_bytes)

    def _new_decoder(self) -> _Decoder | None:
        method = self._member.compress_type
        if method == zipfile.ZIP_STORED:
            return None
        if method == zipfile.ZIP_DEFLATED:
            return _Inflate()
        if method == zipfile.ZIP_BZIP2:
            return bz2.BZ2Decompressor()
        if method == zipfile.ZIP_LZMA:
            return _lzma_decoder(self._packed(_LZMA_HEADER.size), self._member.file_size)
        raise MemberError(f"it is packed with {_METHODS.get(method, f'method {method}')}, which is not understood")


class _Inflate:
    """Deflate with the interface of the decoders of bzip2 and LZMA."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(-zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)


def _lzma_decoder(header: bytes, file_bytes: int) -> lzma.LZMADecompressor:
    """A decoder for what follows the header (APPNOTE.TXT 5.8.8) of a member that unpacks to `file_bytes`."""
    if len(header) < _LZMA_HEADER.size:
        raise MemberError("its LZMA header is cut off")
    length, properties, dictionary_bytes = _LZMA_HEADER.unpack(header)
    if length != 5 or properties >= 9 * 5 * 5:
        raise MemberError("its LZMA header is damaged")
    needed = min(dictionary_bytes, max(file_bytes, _SMALLEST_DICTIONARY_BYTES))
    if needed > MAX_LZMA_DICTIONARY_BYTES:
        raise MemberError(f"it needs {needed >> 20} MiB to be unpacked")
    rest, lc = divmod(properties, 9)
    pb, lp = divmod(rest, 5)
    settings = {"id": lzma.FILTER_LZMA1, "dict_size": needed, "lc": lc, "lp": lp, "pb": pb}
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[settings])
    except (lzma.LZMAError, ValueError) as error:
        raise MemberError(f"its LZMA header is damaged: {error}") from error
