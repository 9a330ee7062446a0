"""Settings by name: ``depth.max_size_px=768`` onto the frozen config dataclasses, with types from their annotations."""

from __future__ import annotations

import dataclasses
import difflib
import json
import logging
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from e2e3d.config.bounds import name_before, plain, shortened
from e2e3d.errors import SettingsError

ConfigT = TypeVar("ConfigT")

log = logging.getLogger(__name__)

_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """Read ``stage.field=value`` texts, for a run on this machine and for a job of a service alike.

    Returns:
        Values by name: numbers, true, false, null, lists and quoted texts as JSON writes them; anything else is text,
        which :func:`apply_overrides` reads as the field's annotation says.

    Raises:
        SettingsError: ``bad-setting`` for a text without ``=``.
    """
    values = {}
    for text in assignments:
        name, separator, value = text.partition("=")
        if not separator or not name.strip():
            raise SettingsError("bad-setting", f"--set {text} is no assignment.", "Write --set STAGE.FIELD=VALUE.")
        values[name.strip()] = _json_or_text(value.strip())
    return values


def _json_or_text(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, dict) else value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def apply_overrides(config: ConfigT, values: Mapping[str, object]) -> ConfigT:
    """Return `config` with some fields replaced.

    Args:
        config: a frozen dataclass of frozen dataclasses (a PipelineConfig) or of plain values.
        values: by dotted name, such as ``depth.max_size_px``, or nested by stage; texts are parsed as the field's
            annotation says, and scalars and arrays of NumPy count as numbers. A name of an earlier release is taken,
            with a warning in the log.

    Raises:
        SettingsError: ``unknown-setting`` with the nearest known name, ``bad-setting`` for a value of another type, and
            whatever the config's own validation raises.
    """
    known = setting_names(config)
    renamed = _renamed(config)
    changes: dict[str, object] = {}
    for given, value in _flat(values):
        name = renamed.get(given, given)
        if name not in known:
            raise _unknown(name, known)
        if name != given:
            log.warning("%s is called %s now; the old name will be refused by the next release", given, name)
        changes[name] = plain(value)
    replaced: ConfigT = _replace(config, changes)
    return replaced


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Dotted names and values of a mapping that may hold mappings."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def setting_names(config: object, prefix: str = "") -> list[str]:
    """Dotted names of all settings below a config dataclass."""
    names = []
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            names += setting_names(value, f"{prefix}{field.name}.")
        else:
            names.append(f"{prefix}{field.name}")
    return names


def _renamed(config: object, prefix: str = "") -> dict[str, str]:
    """The present names of settings, by those of earlier releases."""
    names: dict[str, str] = {}
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        value, before = getattr(config, field.name), name_before(field)
        if dataclasses.is_dataclass(value):
            names |= _renamed(value, f"{prefix}{field.name}.")
        elif before is not None:
            names[prefix + before] = prefix + field.name
    return names


def _replace(config: Any, changes: Mapping[str, object], prefix: str = "") -> Any:
    """All fields of a record at once: its own validation may compare them."""
    hints = typing.get_type_hints(type(config))
    fields: dict[str, object] = {}
    for head in dict.fromkeys(name.removeprefix(prefix).partition(".")[0] for name in changes):
        name = f"{prefix}{head}"
        if name in changes:
            fields[head] = _convert(changes[name], hints[head], name)
        else:
            inner = {other: value for other, value in changes.items() if other.startswith(f"{name}.")}
            fields[head] = _replace(getattr(config, head), inner, f"{name}.")
    return dataclasses.replace(config, **fields)


def _convert(value: object, hint: Any, name: str) -> object:
    try:
        return _parse(value, hint)
    except (ValueError, TypeError, OverflowError) as error:
        raise SettingsError(
            "bad-setting", f"{shortened(value)} is no value for {name}.", f"{name} is of type {_describe(hint)}."
        ) from error


def _parse(value: object, hint: Any) -> object:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _parse_union(value, typing.get_args(hint))
    if origin is typing.Literal:
        if value not in typing.get_args(hint):
            raise ValueError(value)
        return value
    if origin is tuple:
        return _parse_tuple(value, typing.get_args(hint))
    if hint is bool:
        return _WORDS[value.lower()] if isinstance(value, str) and value.lower() in _WORDS else _expect(value, bool)
    if hint is int:
        return int(value) if isinstance(value, str) else _expect(value, int)
    if hint is float:
        return float(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else _expect(value, float)
    return _expect(value, hint)


def _expect(value: object, kind: type[Any]) -> object:
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise ValueError(value)
    return value


def _parse_union(value: object, choices: tuple[Any, ...]) -> object:
    if type(None) in choices and (value is None or value in ("none", "None", "")):
        return None
    for choice in choices:
        if choice is not type(None):
            try:
                return _parse(value, choice)
            except (ValueError, TypeError, OverflowError):
                continue
    raise ValueError(value)


def _parse_tuple(value: object, items: tuple[Any, ...]) -> tuple[object, ...]:
    parts = _parts(value)
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(_parse(part, items[0]) for part in parts)
    return tuple(_parse(part, item) for part, item in zip(parts, items, strict=True))


def _parts(value: object) -> list[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return list(value) if isinstance(value, list | tuple) else [value]


def _describe(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _unknown(name: str, known: list[str]) -> SettingsError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    stage = name.partition(".")[0]
    fields = [other.partition(".")[2] for other in known if other.startswith(f"{stage}.")]
    more = f" Settings of {stage}: {', '.join(fields)}." if fields else ""
    return SettingsError("unknown-setting", f"There is no setting {name}.", f"Did you mean {near[0]}?{more}")
