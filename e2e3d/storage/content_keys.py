"""Content keys: what a unit's result depends on, as one name.

A key is ``<stage>/<sha256>`` over the canonical JSON of the stage's name and version, the layout of its result, its
settings and its inputs. Nothing in it depends on the process, the machine or the version of Python: floats are written
exactly in hexadecimal, arrays by dtype, shape and a hash of their bytes, references by their own keys, and dataclasses
by class name and fields, a field that was renamed by its first name.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import typing
from typing import Any, Protocol

import numpy as np

from e2e3d.config.bounds import name_before
from e2e3d.data.ref import Ref


class StageIdentity(Protocol):
    """What a stage is to its results' names."""

    @property
    def name(self) -> str:
        """The stage's name."""
        ...

    @property
    def version(self) -> int:
        """Raised whenever the result for the same input changes."""
        ...

    @property
    def output(self) -> type[Any]:
        """Class of the result."""
        ...


def content_key(stage: StageIdentity, inputs: object, config: object) -> str:
    """Name the result of one unit.

    Args:
        stage: its name, version and the fields of its output class take part.
        inputs: a frozen dataclass (or plain value) of numbers, strings, arrays, records, references, tuples.
        config: the stage's frozen config dataclass.

    Raises:
        TypeError: if `inputs` or `config` hold something whose content has no stable name, such as a dict.
    """
    fingerprint = layout(stage.output)  # type: ignore[arg-type]  # classes are hashable
    content = [stage.name, stage.version, fingerprint, canonical(config), canonical(inputs)]
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return f"{stage.name}/{hashlib.sha256(text.encode()).hexdigest()}"


def canonical(value: object) -> Any:
    """Turn a value into JSON that is equal exactly when the value is equal in type and content.

    Raises:
        TypeError: for values without a stable name.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        return ["float", value.hex()]
    if isinstance(value, Ref):
        return ["ref", value.key]
    if isinstance(value, bytes):
        return ["bytes", hashlib.sha256(value).hexdigest()]
    if isinstance(value, np.ndarray):
        data = np.asarray(value, dtype=value.dtype.newbyteorder("<"), order="C")
        return ["array", data.dtype.str, list(data.shape), hashlib.sha256(data.tobytes()).hexdigest()]
    if isinstance(value, tuple):
        return [canonical(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            name_before(field) or field.name: canonical(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
        return ["record", type(value).__name__, fields]
    raise TypeError(f"a {type(value).__name__} cannot take part in a content key")


@functools.lru_cache(maxsize=256)
def layout(record_type: type[Any]) -> str:
    """Fingerprint of a record class: the names and annotations of its fields, nested records included.

    It is part of the content key, so a result stored before a record gained a field is never taken for a current one.
    """
    parts: list[str] = []
    _describe(record_type, parts, set())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _describe(hint: Any, parts: list[str], seen: set[Any]) -> None:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if hint in seen:
            return
        seen.add(hint)
        types = typing.get_type_hints(hint)
        for field in dataclasses.fields(hint):
            annotation = field.type if isinstance(field.type, str) else repr(field.type)
            parts.append(f"{hint.__name__}.{field.name}: {annotation}")
        for field in dataclasses.fields(hint):
            _describe(types[field.name], parts, seen)
        return
    for item in typing.get_args(hint):
        _describe(item, parts, seen)
