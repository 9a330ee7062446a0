from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from e2e3d.data import dense, features, mesh, photo, scene
from e2e3d.data.stats import UnitStats
from e2e3d.storage import codec

STATS = UnitStats(1.5, 2.25, 3, "host")
RECORDS = [
    value
    for module in (dense, features, mesh, photo, scene)
    for value in vars(module).values()
    if dataclasses.is_dataclass(value) and value.__module__ == module.__name__
]


def strategy(hint: Any) -> st.SearchStrategy[Any]:
    """Values of an annotation, odd ones included: empty arrays, NaN, non-ASCII text."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([strategy(arg) for arg in args])
    if hint is type(None):
        return st.none()
    if origin is np.ndarray:
        (dtype,) = typing.get_args(args[1])
        shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
        return hnp.arrays(np.dtype(dtype), shapes).filter(lambda array: isinstance(array, np.ndarray))
    if origin is tuple:
        if args[-1] is Ellipsis:
            return st.lists(strategy(args[0]), max_size=3).map(tuple)
        return st.tuples(*map(strategy, args))
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        fields = {field.name: strategy(hints[field.name]) for field in dataclasses.fields(hint)}
        return st.fixed_dictionaries(fields).map(lambda values: hint(**values))
    return {int: st.integers(), float: st.floats(), str: st.text(), bool: st.booleans()}[hint]


def assert_same(actual: Any, expected: Any) -> None:
    assert type(actual) is type(expected)
    if isinstance(expected, np.ndarray):
        assert actual.dtype == expected.dtype
        assert actual.shape == expected.shape
        assert actual.tobytes() == expected.tobytes()
        assert not actual.flags.writeable
    elif isinstance(expected, tuple):
        assert len(actual) == len(expected)
        for pair in zip(actual, expected, strict=True):
            assert_same(*pair)
    elif dataclasses.is_dataclass(expected):
        for field in dataclasses.fields(expected):
            assert_same(getattr(actual, field.name), getattr(expected, field.name))
    else:
        assert actual == expected or (actual != actual and expected != expected)


@pytest.mark.parametrize("record_type", RECORDS, ids=lambda record: record.__name__)
def test_every_record_returns_exactly(record_type: type[Any]) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy(record_type))
    def check(record: Any) -> None:
        data = b"".join(codec.encode(record, STATS))
        assert_same(codec.decode(data, record_type), record)
        assert codec.decode_stats(data) == STATS

    check()


@dataclasses.dataclass(frozen=True)
class Sample:
    values: np.typing.NDArray[np.float32]
    flags: np.typing.NDArray[np.bool_]
    name: str


@pytest.fixture
def data() -> bytes:
    return b"".join(codec.encode(Sample(np.arange(64, dtype=np.float32), np.array([True, False, True]), "é"), STATS))


def test_files_are_ordinary_safetensors(data: bytes) -> None:
    from safetensors.numpy import load

    np.testing.assert_array_equal(load(data)["0000"], np.arange(64, dtype=np.float32))


def test_arrays_are_not_copied() -> None:
    values = np.arange(1 << 16, dtype=np.float32)
    header, *parts = codec.encode(Sample(values, np.zeros(3, bool), ""), STATS)
    assert len(header) < 2000
    assert np.shares_memory(np.frombuffer(parts[0], np.float32), values)


def test_every_damaged_byte_is_noticed(data: bytes) -> None:
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        try:
            record = codec.decode(bytes(damaged), Sample)
        except codec.DamagedError:
            continue
        assert_same(record, codec.decode(data, Sample))  # padding: the content is unharmed


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 100, -1])
def test_truncation_is_noticed(data: bytes, keep: int) -> None:
    with pytest.raises(codec.DamagedError):
        codec.decode(data[:keep], Sample)


def test_arrays_are_views_of_the_buffer(data: bytes) -> None:
    record = codec.decode(data, Sample)
    assert not record.values.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        record.values[0] = 1.0


def test_arrays_in_any_memory_order_are_stored_by_value() -> None:
    values = np.arange(12, dtype=">f4").reshape(3, 4).T[::2]
    record = codec.decode(b"".join(codec.encode(Sample(values, np.zeros((0, 2), bool), ""), STATS)), Sample)
    np.testing.assert_array_equal(record.values, values)
    assert record.flags.shape == (0, 2)


@pytest.mark.parametrize("wrong", [{"a": 1}, [1, 2], object(), np.array(["text"])])
def test_what_cannot_return_is_refused_when_stored(wrong: object) -> None:
    with pytest.raises(TypeError):
        codec.encode(Sample(np.zeros(1, np.float32), wrong, ""), STATS)  # type: ignore[arg-type]
