from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from e2e3d.config.bounds import bounded
from e2e3d.config.presets import PRESETS
from e2e3d.data.ref import Ref
from e2e3d.stages.stage import RunContext, Stage
from e2e3d.storage.content_keys import canonical, content_key, layout


@dataclass(frozen=True)
class Config:
    size: int = 3
    ratio: float = 0.1


@dataclass(frozen=True)
class Inputs:
    name: str
    photo: Ref[bytes]
    matrix: NDArray[np.float64]
    others: tuple[int, ...] = ()


@dataclass(frozen=True)
class Output:
    value: int


def run(inputs: Inputs, config: Config, context: RunContext) -> Output:
    return Output(1)


STAGE: Stage[Any, Any, Any] = Stage("toy", 1, Config, Output, run)
INPUTS = Inputs("é.jpg", Ref.blob("ab" * 32), np.eye(3), (1, 2))
EXPECTED = "toy/ce1d608a4069831e60fad9e6192bd66489b26d30d30e31df9b14de86fd18cbe8"


def test_the_key_is_what_it_was_in_earlier_releases() -> None:
    assert content_key(STAGE, INPUTS, Config()) == EXPECTED


def test_keys_are_equal_in_another_process() -> None:
    code = "from tests.storage.test_content_keys import *; print(content_key(STAGE, INPUTS, Config()))"
    environment = {"PYTHONHASHSEED": "77"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == EXPECTED


@pytest.mark.parametrize(
    ("stage", "inputs", "config"),
    [
        (dataclasses.replace(STAGE, name="other"), INPUTS, Config()),
        (dataclasses.replace(STAGE, version=2), INPUTS, Config()),
        (dataclasses.replace(STAGE, output=Config), INPUTS, Config()),
        (STAGE, INPUTS, Config(size=4)),
        (STAGE, INPUTS, Config(ratio=np.nextafter(0.1, 1.0))),
        (STAGE, dataclasses.replace(INPUTS, name="e.jpg"), Config()),
        (STAGE, dataclasses.replace(INPUTS, photo=Ref.blob("cd" * 32)), Config()),
        (STAGE, dataclasses.replace(INPUTS, matrix=np.eye(3, dtype=np.float32)), Config()),
        (STAGE, dataclasses.replace(INPUTS, matrix=np.eye(3).reshape(9)), Config()),
        (STAGE, dataclasses.replace(INPUTS, others=(2, 1)), Config()),
    ],
)
def test_everything_that_matters_changes_the_key(stage: Stage[Any, Any, Any], inputs: Inputs, config: Config) -> None:
    assert content_key(stage, inputs, config) != EXPECTED


def test_memory_layout_and_binding_do_not_matter() -> None:
    same = dataclasses.replace(INPUTS, matrix=np.asfortranarray(np.eye(3)), photo=INPUTS.photo.bound(lambda: b""))
    assert content_key(STAGE, same, Config()) == EXPECTED


@pytest.mark.parametrize("value", [{"a": 1}, {1, 2}, object(), [1]])
def test_values_without_a_stable_name_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="content key"):
        content_key(STAGE, value, Config())


def test_layout_follows_nested_records() -> None:
    outer = dataclasses.make_dataclass("Outer", [("inner", tuple[Output, ...])], frozen=True)
    other = dataclasses.make_dataclass("Outer", [("inner", tuple[Config, ...])], frozen=True)
    assert layout(outer) != layout(other)


@dataclass(frozen=True)
class Before:
    size: int = 3


@dataclass(frozen=True)
class After:
    size_px: int = bounded(3, 1, 9, before="size")


def test_a_renamed_setting_leaves_the_keys_of_stored_results() -> None:
    (_, _, before), (_, _, after) = canonical(Before()), canonical(After())
    assert before == after


def test_the_presets_keep_their_keys() -> None:
    """Those of the first release, but for `pairs` and `mapping`, which got settings for large sets of photographs."""

    def digest(quality: str) -> str:
        text = json.dumps(canonical(PRESETS[quality]), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    expected = ["3d41f9eb260131e9", "239925fa0bfbedd1", "a69dc8cc3c22b2af", "42ee8cbdf2080053", "cb590f4bb02e170a"]
    assert [digest(quality) for quality in PRESETS] == expected
