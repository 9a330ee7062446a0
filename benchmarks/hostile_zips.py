"""Archives of strangers: small ones packed in every way, what is done to them at random, and attacks made by hand."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
from hostile_pictures import damaged, picture

METHODS = {"stored": 0, "deflated": 8, "bzip2": 12, "lzma": 14}
_END = struct.Struct("<4sHHHHIIH")


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return stream.getvalue()


def bases() -> dict[str, bytes]:
    """A whole archive of two pictures for every way of packing, by file name."""
    members = {f"{seed}.jpg": picture(seed, "JPEG", quality=85) for seed in (1, 2)} | {"notes.txt": b"hello" * 99}
    return {f"{name}.zip": packed(members, method) for name, method in METHODS.items()}


def damaged_zip(rng: np.random.Generator, data: bytes) -> bytes:
    """The archive with a few random changes: half of them in its directory, where an attacker would make them."""
    if rng.random() < 0.5:
        return damaged(rng, data)
    start = data.index(b"PK\x01\x02")
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(start, len(data) - 4))
        if rng.random() < 0.5:
            changed[at] = int(rng.integers(256))
        else:
            value = int(rng.choice(np.array([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, len(data)])))
            changed[at : at + 4] = struct.pack("<I", value)
    return bytes(changed)


def _says(data: bytes, offset: int, value: bytes) -> bytes:
    """The archive with a field of the directory's last entry replaced; offsets as in APPNOTE.TXT 4.3.12."""
    start = data.rindex(b"PK\x01\x02") + offset
    return data[:start] + value + data[start + len(value) :]


def _long(value: int) -> bytes:
    return struct.pack("<I", value)


def _renamed(name: bytes) -> bytes:
    """An archive with one picture called so, whatever it is."""
    plain = "x" * len(name)
    return packed({plain: picture(1, "JPEG")}, 0).replace(plain.encode(), name)


def _overlapping(count: int) -> bytes:
    """Many names for the same packed bytes."""
    kernel = zlib.compress(bytes(10_000_000), 9)[2:-4]
    name = b"k.jpg"
    sizes = struct.pack("<III", zlib.crc32(bytes(10_000_000)), len(kernel), 10_000_000)
    local = struct.pack("<4sHHHHH", b"PK\x03\x04", 20, 0, 8, 0, 33) + sizes + struct.pack("<HH", len(name), 0)
    directory = b""
    for number in range(count):
        head = struct.pack("<4sHHHHHH", b"PK\x01\x02", 20, 20, 0, 8, 0, 33) + sizes
        directory += head + struct.pack("<HHHHHII", 9, 0, 0, 0, 0, 0, 0) + f"{number:05}.jpg".encode()
    body = local + name + kernel
    return body + directory + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), len(body), 0)


def _million_entries() -> bytes:
    directory = struct.pack("<4s42x", b"PK\x01\x02") * 1_000_000
    return directory + _END.pack(b"PK\x05\x06", 0, 0, 1, 1, len(directory), 0, 0)


def _two_ends() -> bytes:
    """The last signature of an end lies inside of the true end, and says that the directory is short."""
    directory = struct.pack("<4s42x", b"PK\x01\x02") * 1_500_000
    return directory + b"PK\x05\x06" + struct.pack("<HHHH", 0, 0, 1, 1) + _long(len(directory)) + b"PK\x05\x06\0\0"


def _nested(depth: int) -> bytes:
    data = packed({"a.jpg": picture(1, "JPEG")})
    for _ in range(depth):
        data = packed({"inner.zip": data, "a.jpg": data})
    return data


def attacks(scale: float = 1.0) -> dict[str, bytes]:
    """Attacks made by hand, by file name; those that live on their size are reduced by `scale`."""
    many, large = int(100_000 * scale), int(scale * (256 << 20))
    jpeg = picture(1, "JPEG")
    bombs = {name: packed({"a.jpg": jpeg[:300] + bytes(large)}, method) for name, method in METHODS.items() if method}
    lies = {f"lies-{name}.zip": _says(data, 24, _long(1000)) for name, data in bombs.items()}
    promises = {
        f"promises-{name}.zip": _says(packed({"a.jpg": jpeg}, method), 24, _long(len(jpeg) + 9_000))
        for name, method in METHODS.items()
    }
    broken = {f"broken-{name}.zip": _broken(packed({"a.jpg": jpeg}, method)) for name, method in METHODS.items()}
    cut = {f"cut-{name}.zip": _says(packed({"a.jpg": jpeg}, method), 20, _long(30)) for name, method in METHODS.items()}
    headers = packed({"a.jpg": jpeg}, zipfile.ZIP_LZMA)
    start = headers.index(b"\x05\x00", 30)
    return {
        **{f"bomb-{name}.zip": data for name, data in bombs.items()},
        **lies,
        **promises,
        **broken,
        **cut,
        "empty.zip": b"",
        "two-letters.zip": b"PK",
        "no-members.zip": packed({}),
        "100000-empty.zip": packed({f"{number}.jpg": b"" for number in range(many)}, 0),
        "110000-empty.zip": packed({f"{number}.jpg": b"" for number in range(many * 11 // 10)}, 0),
        "1000-of-junk.zip": packed({f"{n}.jpg": b"\xff\xd8\xff" + str(n).encode() for n in range(many // 100)}, 0),
        "million-entries.zip": _million_entries(),
        "two-ends.zip": _two_ends(),
        "overlapping.zip": _overlapping(250),
        "nested.zip": _nested(5),
        "itself-as-picture.zip": packed({"a.jpg": packed({"b.jpg": jpeg})}),
        "lzma-dictionary-4-gb.zip": headers[: start + 3] + _long(0xFFFFFFFF) + headers[start + 7 :],
        "lzma-2-gb.zip": _says(headers[: start + 3] + _long(0xFFFFFFFF) + headers[start + 7 :], 24, _long(2**31)),
        "deflate64.zip": _says(packed({"a.jpg": jpeg}), 10, struct.pack("<H", 9)),
        "method-99.zip": _says(packed({"a.jpg": jpeg}), 10, struct.pack("<H", 99)),
        "encrypted.zip": _says(packed({"a.jpg": jpeg}), 8, struct.pack("<H", 1)),
        "up.zip": _renamed(b"../../../../etc/cron.d/a.jpg"),
        "absolute.zip": _renamed(b"/etc/passwd.jpg"),
        "drive.zip": _renamed(b"C:\\windows\\a.jpg"),
        "zero-byte.zip": _renamed(b"a.jpg\0.exe"),
        "control.zip": _renamed(b"a\x1b[2J\r\n\xe2\x80\xae.jpg"),
        "not-utf-8.zip": _says(_renamed(b"\xff\xfe\xfd.jpg"), 8, struct.pack("<H", 0x800)),
        "name-of-64-kb.zip": _renamed(b"a" * 65_000 + b".jpg"),
        "link.zip": _says(_says(packed({"a.jpg": b"/etc/passwd"}, 0), 38, _long(0o120777 << 16)), 5, b"\x03"),
        "offset-outside.zip": _says(packed({"a.jpg": jpeg}), 42, _long(0xFFFFFFF0)),
        "offset-of-another.zip": _says(packed({"a.jpg": jpeg, "b.jpg": jpeg}), 42, _long(0)),
        "directory-of-4-gb.zip": packed({"a.jpg": jpeg})[:-10] + _long(0xFFFFFFF0) + _long(0) + b"\0\0",
        "comment.zip": packed({"a.jpg": jpeg})[:-2] + b"\xff\xff" + b"PK\x05\x06" * 16_383 + b"abc",
        "long-extra.zip": _says(packed({"a.jpg": jpeg}), 30, b"\xff\xff"),
    }


def _broken(data: bytes) -> bytes:
    changed = bytearray(data)
    for position in range(60, min(len(data) - 200, 3000), 11):
        changed[position] ^= 0x55
    return bytes(changed)
