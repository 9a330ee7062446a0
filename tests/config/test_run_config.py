"""Settings as one value: presets, changes, and the way back from a manifest."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from e2e3d.config.depth import DepthConfig
from e2e3d.config.learned import LearnedConfig
from e2e3d.config.presets import PRESETS, QUALITIES, configure
from e2e3d.config.run_config import Config
from e2e3d.errors import SettingsError
from e2e3d.storage.content_keys import canonical

CHANGES = {"depth.max_size_px": 768, "depth.sweeps": (4, 2, 1), "consistency.max_error_px": 1.25}


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_preset_is_itself_and_changes_nothing(quality: str) -> None:
    config = Config.preset(quality)
    assert config.stages == PRESETS[quality]
    assert config.changes == {}


def test_changes_come_by_dotted_name_nested_and_as_numbers_of_numpy() -> None:
    dotted = Config.preset("medium").replace(**CHANGES)
    nested = Config.preset("medium").replace(
        depth={"max_size_px": np.int64(768), "sweeps": np.array([4, 2, 1])},
        consistency={"max_error_px": np.float64(1.25)},
    )
    assert dotted == nested
    assert dotted.changes == CHANGES
    assert dotted.stages == configure("medium", CHANGES)
    assert canonical(dotted.stages) == canonical(nested.stages)  # no type of NumPy is left in it


def test_a_config_comes_back_from_json() -> None:
    config = Config.preset("high").replace(**CHANGES)
    settings = json.loads(json.dumps(dataclasses.asdict(config.stages) | {"given": {"scale": None}}))
    assert Config.from_settings("high", settings) == config
    assert DepthConfig(**settings["depth"]) == config.depth
    assert hash(DepthConfig(**settings["depth"])) == hash(config.depth)
    assert LearnedConfig(**settings["learned"]) == config.learned


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(SettingsError, match=r"Did you mean depth\.max_size_px"):
        Config.preset("low").replace(depth={"max_size_pix": 5})
    with pytest.raises(SettingsError, match="There is no setting depth"):
        Config.preset("low").replace(depth=5)
    with pytest.raises(SettingsError, match="There is no quality best"):
        Config.preset("best")
    with pytest.raises(SettingsError, match=r"depth\.max_size_px is 5"):
        DepthConfig(max_size_px=np.int64(5))  # type: ignore[arg-type]
