"""Members of archives are unpacked within what the directory says, in bounded memory and time."""

import contextlib
import io
import random
import struct
import threading
import tracemalloc
import zipfile

import pytest

from e2e3d.errors import InputError
from e2e3d.pipeline.sources.source_files import list_archive
from e2e3d.pipeline.sources.zip_members import MemberError, MemberFile

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
SEVERAL_BLOCKS = random.Random(1).randbytes(300_000) + bytes(300_000)


def archive(data: bytes, method: int, count: int = 1) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for number in range(count):
            file.writestr(f"{number}.jpg", data)
    return stream.getvalue()


def lying(data: bytes, size: int) -> bytes:
    """An archive whose directory says that its one member has `size` bytes."""
    start = data.rindex(b"PK\x01\x02")
    return data[: start + 24] + struct.pack("<I", size) + data[start + 28 :]


def member(data: bytes) -> MemberFile:
    file = io.BytesIO(data)
    return MemberFile(file, threading.Lock(), zipfile.ZipFile(file).infolist()[0])


def entries(data: bytes):
    return list_archive(io.BytesIO(data), "a.zip", len(data))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("content", [b"", b"x", SEVERAL_BLOCKS])
def test_what_was_packed_comes_out(method: int, content: bytes) -> None:
    assert member(archive(content, method)).readall() == content
    assert [entry.read() for entry in entries(archive(content, method))] == [content]


@pytest.mark.parametrize("method", METHODS[1:])
def test_a_directory_that_lies_costs_no_memory(method: int) -> None:
    data = lying(archive(bytes(64_000_000), method), 1000)
    tracemalloc.start()
    assert [entry.read() for entry in entries(data)] == [b""]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8_000_000
    with pytest.raises(MemberError, match="longer"):
        member(data).readall()


@pytest.mark.parametrize("method", METHODS[1:])
def test_a_directory_that_promises_too_much(method: int) -> None:
    with pytest.raises(MemberError, match="shorter"):
        member(lying(archive(b"x" * 500, method), 1000)).readall()


@pytest.mark.parametrize("method", METHODS)
def test_any_damage_is_an_error_of_the_file(method: int) -> None:
    """Every byte of the packed data and of the header before them, changed one after another; it ends each time."""
    good = archive(SEVERAL_BLOCKS[299_000:301_000], method)
    end = good.rindex(b"PK\x01\x02")
    read = 0
    for position in [*range(4), *range(26, 60), *range(60, end, 97)]:
        data = bytearray(good)
        data[position] ^= 0x5A
        with contextlib.suppress(InputError):
            assert entries(bytes(data))[0].read() in (b"", SEVERAL_BLOCKS[299_000:301_000])
            read += 1
    assert read > 20


@pytest.mark.parametrize("method", METHODS)
def test_the_end_may_be_missing(method: int) -> None:
    good = archive(SEVERAL_BLOCKS[:3000], method)
    info = zipfile.ZipFile(io.BytesIO(good)).infolist()[0]
    for kept in (0, 1, 8, 9, 100, info.compress_size - 20):
        info.compress_size = kept
        with pytest.raises(MemberError):
            MemberFile(io.BytesIO(good), threading.Lock(), info).readall()


def test_lzma_needs_no_mark_at_its_end() -> None:
    """7-Zip writes none: the length alone says where the data end."""
    good = archive(SEVERAL_BLOCKS[:3000], zipfile.ZIP_LZMA)
    info = zipfile.ZipFile(io.BytesIO(good)).infolist()[0]
    info.compress_size -= 1
    assert MemberFile(io.BytesIO(good), threading.Lock(), info).readall() == SEVERAL_BLOCKS[:3000]


def test_lzma_may_not_ask_for_more_memory_than_its_file_needs() -> None:
    data = bytearray(archive(b"x" * 500, zipfile.ZIP_LZMA))
    start = data.index(b"\x05\x00", 30)
    data[start + 3 : start + 7] = struct.pack("<I", 0xFFFFFFFF)
    assert member(bytes(data)).readall() == b"x" * 500
    with pytest.raises(MemberError, match="MiB"):
        member(lying(bytes(data), 2_000_000_000)).read(10)


@pytest.mark.parametrize("method", [9, 93, 95, 98])
def test_methods_that_are_not_understood_are_named(method: int) -> None:
    data = bytearray(archive(b"x", zipfile.ZIP_STORED))
    start = data.rindex(b"PK\x01\x02")
    data[start + 10 : start + 12] = struct.pack("<H", method)
    with pytest.raises(MemberError, match="not understood"):
        member(bytes(data))
    assert [entry.read() for entry in entries(bytes(data))] == [b""]


def test_members_that_overlap_are_refused() -> None:
    data = bytearray(archive(b"x" * 1000, zipfile.ZIP_STORED, count=2))
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = struct.pack("<I", 40)
    with pytest.raises(InputError) as caught:
        entries(bytes(data))
    assert (caught.value.code, "overlap" in caught.value.message) == ("zip-broken", True)


def test_a_directory_of_a_million_files_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """What its end says of their number is not believed."""
    record = struct.pack("<4s42x", b"PK\x01\x02")
    directory = record * 1_000_000
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), 0, 0)
    tracemalloc.start()
    with pytest.raises(InputError) as caught:
        entries(directory + end)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == "zip-too-large"
    assert peak_bytes < 200_000_000
