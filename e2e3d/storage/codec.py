"""Records to bytes and back: a safetensors file whose metadata holds everything that is not an array.

The file is an ordinary safetensors file (any tool can list its arrays). Its metadata carries the record's tree as JSON,
the cost of the unit, and a CRC over all of it, so that a truncated or damaged file is noticed when it is read. Arrays
are read without a copy from the buffer they lie in, which may be a memory map; they are read-only.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
import zlib
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.stats import UnitStats

T = TypeVar("T")
Array = NDArray[Any]

_DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
_NAMES = {np.dtype(kind): name for name, kind in _DTYPES.items()}
_HEADER_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 64 << 20


class DamagedError(Exception):
    """The bytes are not what was written: truncated, altered, or of another format. Handled inside the store."""


def encode(record: object, stats: UnitStats) -> list[bytes | memoryview]:
    """Serialise a frozen dataclass and the cost of computing it.

    Returns:
        the parts of the file, in order; arrays are not copied.

    Raises:
        TypeError: if the record holds something else than arrays, numbers, strings, None, tuples and dataclasses.
    """
    arrays: dict[str, Array] = {}
    lowered = _lower(record, arrays, type(record).__name__)
    _check_return(lowered, type(record), arrays)
    tree = json.dumps(lowered, separators=(",", ":"))
    cost = json.dumps(dataclasses.asdict(stats), separators=(",", ":"))
    metadata = {"record": tree, "stats": cost, "crc32": str(_checksum(tree, cost, arrays))}
    return _file(arrays, metadata)


def decode(data: bytes | memoryview, record_type: type[T]) -> T:
    """Rebuild a record of `record_type`; its arrays are read-only views of `data`.

    Raises:
        DamagedError: if `data` is damaged or holds another record.
    """
    metadata, arrays = _open(data)
    try:
        value = _lift(json.loads(metadata["record"]), record_type, arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedError(f"not a {record_type.__name__}: {error}") from error
    return typing.cast(T, value)


def decode_stats(data: bytes | memoryview) -> UnitStats:
    """Read only the cost of the unit, after checking the whole object.

    Raises:
        DamagedError: if `data` is damaged.
    """
    metadata, _ = _open(data)
    return UnitStats(**json.loads(metadata["stats"]))


def header_bytes(head: bytes) -> int:
    """How many bytes the header takes at the beginning of a file, of which `head` are the first.

    Raises:
        DamagedError: if it cannot be a header.
    """
    count = _HEADER_LENGTH_BYTES + int.from_bytes(head[:_HEADER_LENGTH_BYTES], "little")
    if len(head) < _HEADER_LENGTH_BYTES or count > _MAX_HEADER_BYTES:
        raise DamagedError("no header")
    return count


def header_stats(header: bytes, size: int) -> UnitStats:
    """The cost of the unit from the first :func:`header_bytes` bytes of a file of `size` bytes.

    Raises:
        DamagedError: if they are no header, or that of a file of another size.
    """
    try:
        metadata, _, _ = _read_header(header, size)
        return UnitStats(**json.loads(metadata["stats"]))
    except _MALFORMED as error:
        raise DamagedError(str(error)) from error


def _check_return(lowered: Any, record_type: type[Any], arrays: Mapping[str, Array]) -> None:
    try:
        _lift(lowered, record_type, arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TypeError(f"a field of {record_type.__name__} does not hold what its annotation says: {error}") from error


def _open(data: bytes | memoryview) -> tuple[Mapping[str, str], dict[str, Array]]:
    try:
        metadata, entries, start = _read_header(data, len(data))
        arrays = {name: _view(data, start, entry) for name, entry in entries.items()}
        intact = _checksum(metadata["record"], metadata["stats"], arrays) == int(metadata["crc32"])
    except _MALFORMED as error:
        raise DamagedError(str(error)) from error
    if not intact:
        raise DamagedError("the checksum differs")
    return metadata, arrays


def _read_header(data: bytes | memoryview, size: int) -> tuple[Mapping[str, str], Mapping[str, Any], int]:
    """The metadata, the entry of each array, and where the arrays begin in a file of `size` bytes.

    Raises:
        DamagedError: when the file should have another size, or one of `_MALFORMED`.
    """
    start = header_bytes(bytes(data[:_HEADER_LENGTH_BYTES]))
    entries = json.loads(bytes(data[_HEADER_LENGTH_BYTES:start]))
    metadata = entries.pop("__metadata__")
    end = start + max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    if end != size:
        raise DamagedError(f"the file has {size} bytes instead of {end}")
    return metadata, entries, start


def _file(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> list[bytes | memoryview]:
    """The parts of a safetensors file: its header, and every array, those of the widest type first."""
    header: dict[str, object] = {"__metadata__": metadata}
    parts: list[bytes | memoryview] = []
    start = 0
    for name in sorted(arrays, key=lambda name: (-arrays[name].itemsize, name)):
        array = arrays[name]
        offsets = [start, start + array.nbytes]
        header[name] = {"dtype": _NAMES[array.dtype], "shape": array.shape, "data_offsets": offsets}
        if array.size:
            parts.append(_bytes_of(array))
        start += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _HEADER_LENGTH_BYTES)  # the arrays begin where an address is good for any type
    return [len(text).to_bytes(_HEADER_LENGTH_BYTES, "little") + text, *parts]


def _bytes_of(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _view(data: bytes | memoryview, start: int, entry: Mapping[str, Any]) -> Array:
    begin, end = entry["data_offsets"]
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    count = (end - begin) // dtype.itemsize
    if count == 0:
        array = np.zeros(entry["shape"], dtype)
    else:
        array = np.frombuffer(data, dtype, count, start + begin).reshape(entry["shape"])
    array.setflags(write=False)
    return array


def _checksum(tree: str, cost: str, arrays: Mapping[str, Array]) -> int:
    crc = zlib.crc32(cost.encode(), zlib.crc32(tree.encode()))
    for name in sorted(arrays):
        array = arrays[name]
        crc = zlib.crc32(f"{name}{array.dtype.str}{array.shape}".encode(), crc)
        if array.size:
            crc = zlib.crc32(_bytes_of(array), crc)
    return crc


def _lower(value: object, arrays: dict[str, Array], path: str) -> Any:
    if isinstance(value, np.ndarray):
        array = np.asarray(value, dtype=value.dtype.newbyteorder("="), order="C")
        if array.dtype not in _NAMES:
            raise TypeError(f"{path} has dtype {value.dtype}, which cannot be stored")
        name = f"{len(arrays):04d}"
        arrays[name] = array
        return name
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, tuple):
        return [_lower(item, arrays, f"{path}[{index}]") for index, item in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _lower(getattr(value, name), arrays, f"{path}.{name}") for name in names}
    raise TypeError(f"{path} is a {type(value).__name__}, which a record cannot hold")


@functools.lru_cache(maxsize=256)
def _field_types(record_type: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(record_type)


def _lift(node: Any, hint: Any, arrays: Mapping[str, Array]) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _lift_union(node, hint, arrays)
    if origin is np.ndarray or hint is np.ndarray:
        return arrays[node]
    if origin is tuple:
        return _lift_tuple(node, typing.get_args(hint), arrays)
    if dataclasses.is_dataclass(hint):
        fields = _field_types(hint)  # type: ignore[arg-type]  # classes are hashable
        if node.keys() != {field.name for field in dataclasses.fields(hint)}:
            raise ValueError(f"the fields of {hint} changed")
        return typing.cast("type[Any]", hint)(
            **{name: _lift(child, fields[name], arrays) for name, child in node.items()}
        )
    if hint is float and isinstance(node, int) and not isinstance(node, bool):
        return float(node)
    return node


def _lift_union(node: Any, hint: Any, arrays: Mapping[str, Array]) -> Any:
    if node is None:
        return None
    choices = [choice for choice in typing.get_args(hint) if choice is not type(None)]
    if len(choices) == 1:
        return _lift(node, choices[0], arrays)
    if isinstance(node, (bool, int, float, str)) and type(node) in choices:
        return node
    raise TypeError(f"{hint} cannot be stored: unions other than `X | None` must be of plain values")


def _lift_tuple(node: Any, items: tuple[Any, ...], arrays: Mapping[str, Array]) -> tuple[Any, ...]:
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(_lift(child, items[0], arrays) for child in node)
    return tuple(_lift(child, item, arrays) for child, item in zip(node, items, strict=True))
