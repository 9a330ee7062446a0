from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest

from e2e3d.config.bounds import bounded
from e2e3d.config.overrides import apply_overrides, parse_assignments, setting_names
from e2e3d.config.presets import PRESETS
from e2e3d.errors import SettingsError


@dataclass(frozen=True)
class Depth:
    max_size_px: int = 960
    noise: float = 1.5
    fine: bool = True
    mode: Literal["fast", "exact"] = "fast"
    limit: int | None = None
    levels: tuple[int, ...] = (1, 2)

    def __post_init__(self) -> None:
        if self.max_size_px < 64:
            raise SettingsError("bad-setting", f"depth.max_size_px is {self.max_size_px}.", "It must be at least 64.")


@dataclass(frozen=True)
class Mesh:
    max_faces: int = 1000


@dataclass(frozen=True)
class Config:
    depth: Depth = field(default_factory=Depth)
    mesh: Mesh = field(default_factory=Mesh)


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("depth.max_size_px=768", "max_size_px", 768),
        ("depth.noise=2", "noise", 2.0),
        ("depth.noise = 1e-3", "noise", 1e-3),
        ("depth.fine=no", "fine", False),
        ("depth.mode=exact", "mode", "exact"),
        ("depth.limit=5", "limit", 5),
        ("depth.limit=none", "limit", None),
        ("depth.limit=null", "limit", None),
        ("depth.fine=true", "fine", True),
        ('depth.mode="exact"', "mode", "exact"),
        ("depth.levels=4,5,6", "levels", (4, 5, 6)),
        ("depth.levels=[4, 5, 6]", "levels", (4, 5, 6)),
        ("depth.levels=4", "levels", (4,)),
    ],
)
def test_values_take_the_type_of_their_field(text: str, name: str, expected: object) -> None:
    changed = getattr(apply_overrides(Config(), parse_assignments([text])).depth, name)
    assert changed == expected
    assert type(changed) is type(expected)


def test_a_job_of_a_service_is_told_the_values_that_a_run_would_use() -> None:
    texts = ["a.b=320", "a.c=true", "a.d=text", "a.e=0.5", "a.f=null", "a.g=5,2,1", "a.h=[5, 2]", "a.i=NaN", "a.j={}"]
    values = {"a.b": 320, "a.c": True, "a.d": "text", "a.e": 0.5, "a.f": None, "a.g": "5,2,1", "a.h": [5, 2]}
    assert parse_assignments(texts) == values | {"a.i": "NaN", "a.j": "{}"}


def test_python_values_are_taken_as_they_are() -> None:
    config = apply_overrides(Config(), {"depth.max_size_px": 700, "depth.noise": 3, "depth.limit": None})
    assert (config.depth.max_size_px, config.depth.noise, config.depth.limit) == (700, 3.0, None)
    assert config.mesh == Mesh()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("depth.maxsize", "depth.max_size_px"), ("mesh.faces", "mesh.max_faces"), ("dpeth.noise", "depth.noise")],
)
def test_an_unknown_setting_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(SettingsError, match=f"Did you mean {nearest}") as caught:
        apply_overrides(Config(), {name: "1"})
    assert (caught.value.code, caught.value.exit_code) == ("unknown-setting", 2)


@pytest.mark.parametrize("text", ["depth.max_size_px=big", "depth.fine=maybe", "depth.mode=slow", "depth.levels=1,x"])
def test_a_value_of_another_type_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="is of type") as caught:
        apply_overrides(Config(), parse_assignments([text]))
    assert caught.value.code == "bad-setting"


@pytest.mark.parametrize("value", [True, "1.5", 1.5, [1], None])
def test_an_integer_is_an_integer(value: object) -> None:
    with pytest.raises(SettingsError):
        apply_overrides(Config(), {"depth.max_size_px": value})


def test_the_config_checks_its_own_values() -> None:
    with pytest.raises(SettingsError, match="at least 64"):
        apply_overrides(Config(), {"depth.max_size_px": 10})


def test_a_text_without_value_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"STAGE\.FIELD=VALUE"):
        parse_assignments(["depth.max_size_px"])


def test_every_setting_has_a_name() -> None:
    assert setting_names(Config())[:2] == ["depth.max_size_px", "depth.noise"]
    assert setting_names(Config())[-1] == "mesh.max_faces"


@dataclass(frozen=True)
class Renamed:
    size_px: int = bounded(3, 1, 9, before="size")


@dataclass(frozen=True)
class Whole:
    stage: Renamed = field(default_factory=Renamed)


def test_a_name_of_an_earlier_release_is_taken_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert apply_overrides(Whole(), {"stage.size": "4"}) == apply_overrides(Whole(), {"stage.size_px": 4})
    assert "stage.size is called stage.size_px now" in caplog.text


@pytest.mark.parametrize(("before", "name"), [("depth.max_size", "depth.max_size_px"), ("mesh.hole", "mesh.hole_px")])
def test_settings_that_were_renamed_keep_their_first_names_for_now(before: str, name: str) -> None:
    assert apply_overrides(PRESETS["low"], {before: 99}) == apply_overrides(PRESETS["low"], {name: 99})


def test_settings_that_depend_on_each_other_may_come_in_any_order() -> None:
    wanted = {"depth.sources": 2, "depth.views": 2}
    for values in (wanted, dict(reversed(wanted.items()))):
        changed = apply_overrides(PRESETS["medium"], values)
        assert (changed.depth.sources, changed.depth.views) == (2, 2)
