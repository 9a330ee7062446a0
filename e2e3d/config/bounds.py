"""What a setting may be, declared beside its default: checked, shown in errors and written into the documentation."""

from __future__ import annotations

import dataclasses
import math
import typing
from dataclasses import dataclass, field
from typing import Any, TypeVar

from e2e3d.errors import SettingsError

Value = TypeVar("Value")
_KEY = "allowed"
_BEFORE = "before"
_SHOWN = 40


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; of a tuple, each of its numbers."""

    low: float
    high: float

    def allows(self, value: object) -> bool:
        """Whether a value lies in it; what is not finite never does."""
        if isinstance(value, tuple):
            return all(self.allows(item) for item in value)
        return isinstance(value, int | float) and self.low <= value <= self.high and math.isfinite(value)

    def __str__(self) -> str:
        return f"{_text(self.low)} to {_text(self.high)}"


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    values: tuple[object, ...]

    def allows(self, value: object) -> bool:
        """Whether a value is one of them."""
        return value in self.values

    def __str__(self) -> str:
        return " or ".join(str(value) for value in self.values)


def bounded(default: Value, low: float, high: float, before: str | None = None) -> Value:
    """A field of a config with this default, of numbers from `low` to `high`: what a machine could meet.

    `before` is the name that the field had in earlier releases; content keys go on using it.
    """
    allowed: Any = field(default=default, metadata={_KEY: Range(low, high), _BEFORE: before})
    return allowed  # type: ignore[no-any-return]


def one_of(default: Value, *others: Value) -> Value:
    """A field of a config that takes its default or one of `others`."""
    allowed: Any = field(default=default, metadata={_KEY: Choice((default, *others))})
    return allowed  # type: ignore[no-any-return]


def allowed_of(config_field: dataclasses.Field[Any]) -> Range | Choice | None:
    """What a field may be; None where anything of its type may stand."""
    allowed: Range | Choice | None = config_field.metadata.get(_KEY)
    return allowed


def name_before(config_field: dataclasses.Field[Any]) -> str | None:
    """The name that a field had in earlier releases; None where it has always been called so."""
    before: str | None = config_field.metadata.get(_BEFORE)
    return before


def check_bounds(config: Any, stage: str) -> None:
    """Compare every field of a config with what it declares; values in the form of JSON or NumPy are converted first.

    So ``DepthConfig(**manifest.settings["depth"])`` gives back the settings of a run.

    Args:
        config: a dataclass.
        stage: how its settings are called before the dot.

    Raises:
        SettingsError: ``bad-setting``, with what the setting may be.
    """
    hints = typing.get_type_hints(type(config))
    for each in dataclasses.fields(config):
        allowed, value = allowed_of(each), plain(getattr(config, each.name), hints[each.name])
        if value is not getattr(config, each.name):
            object.__setattr__(config, each.name, value)
        if allowed is not None and not allowed.allows(value):
            message = f"{stage}.{each.name} is {shortened(value)}."
            raise SettingsError("bad-setting", message, f"It must be {allowed}.")


def plain(value: Any, hint: Any = None) -> Any:
    """A value without the types of JSON and NumPy: lists become tuples, scalars numbers, objects the config `hint`."""
    if isinstance(value, list):
        return tuple(plain(item) for item in value)
    if isinstance(value, dict) and dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return hint(**value)
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):  # NumPy itself is not imported here
        return plain(value.tolist())
    return value


def shortened(value: object) -> str:
    """A value as an error shows it: a stranger may have written any number of digits."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 4 * _SHOWN:
        return f"a number of about {int(value.bit_length() * math.log10(2)) + 1} digits"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _text(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"
