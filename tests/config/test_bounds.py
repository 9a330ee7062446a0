"""Every setting has bounds, which its default keeps and which Python, the command line and the API hold alike."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import pytest

from e2e3d.config.bounds import Choice, Range, allowed_of, bounded, check_bounds, one_of
from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.presets import PRESETS, configure
from e2e3d.errors import SettingsError


@dataclasses.dataclass(frozen=True)
class Config:
    size: int = bounded(5, 1, 9)
    share: float = bounded(0.5, 0, 1)
    steps: tuple[int, ...] = bounded((1, 2), 1, 3)
    kind: str = one_of("a", "b")
    free: str = "x"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"size": 0}, "stage.size is 0. It must be 1 to 9."),
        ({"size": 10**400}, "stage.size is a number of about 401 digits. It must be 1 to 9."),
        ({"share": math.nan}, "stage.share is nan. It must be 0 to 1."),
        ({"share": math.inf}, "stage.share is inf. It must be 0 to 1."),
        ({"steps": (1, 4)}, "stage.steps is (1, 4). It must be 1 to 3."),
        ({"kind": "c" * 99}, f"stage.kind is '{'c' * 39}…. It must be a or b."),
    ],
)
def test_what_is_outside_is_refused_with_what_may_be(changes: dict[str, Any], says: str) -> None:
    check_bounds(Config(), "stage")
    with pytest.raises(SettingsError) as caught:
        check_bounds(Config(**changes), "stage")
    assert (caught.value.code, str(caught.value)) == ("bad-setting", says)


def test_the_ends_are_inside() -> None:
    for changes in ({"size": 1}, {"size": 9}, {"share": 0}, {"share": 1.0}, {"steps": (1, 3)}, {"kind": "b"}):
        check_bounds(Config(**changes), "stage")


def settings(config: Any, prefix: str = "") -> Iterator[tuple[str, Range | Choice | None, Any]]:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from settings(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", allowed_of(field), value


ALL = list(settings(PipelineConfig()))


def test_every_setting_but_switches_has_bounds() -> None:
    assert [name for name, allowed, value in ALL if allowed is None and not isinstance(value, bool)] == []
    assert len(ALL) > 80


@pytest.mark.parametrize("quality", sorted(PRESETS))
def test_presets_keep_them(quality: str) -> None:
    for name, allowed, value in settings(PRESETS[quality]):
        assert allowed is None or allowed.allows(value), name


@pytest.mark.parametrize("name", [name for name, allowed, _ in ALL if allowed is not None])
def test_values_beyond_them_are_refused_from_everywhere(name: str) -> None:
    """The command line gives texts, the API and Python values; :func:`configure` takes them all."""
    allowed, value = next((allowed, value) for other, allowed, value in ALL if other == name)
    if isinstance(allowed, Choice):
        wrong: list[Any] = ["nothing", 10**400, None]
    else:
        assert isinstance(allowed, Range)
        beyond: list[Any] = [
            allowed.low - 1,
            allowed.high + 1,
            10**400,
            -(10**400),
            math.nan,
            math.inf,
            "1e999",
            "9" * 400,
        ]
        count = len(value) if isinstance(value, tuple) else 0
        wrong = [[one] * count for one in beyond if not isinstance(one, str)] if count else beyond
    for one in wrong:
        with pytest.raises(SettingsError) as caught:
            configure("medium", {name: one})
        assert caught.value.code == "bad-setting", (name, one)
        assert len(str(caught.value)) < 300
