"""The settings of a run as one value: a preset, and what was changed of it."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from e2e3d.config.overrides import apply_overrides, setting_names
from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.presets import PRESETS, configure


@dataclass(frozen=True)
class Config(PipelineConfig):
    """Settings of every stage, as :func:`e2e3d.reconstruct` takes them.

    ``Config.preset("medium").replace(**{"depth.max_size_px": 768})`` and ``config.depth.max_size_px`` read and change
    them; :attr:`changes` says what differs from the preset.

    Attributes:
        quality: the preset that it began as.
    """

    quality: str = "medium"

    @staticmethod
    def preset(quality: str) -> Config:
        """The settings of a preset: ``preview``, ``low``, ``medium``, ``high`` or ``ultra``.

        Raises:
            SettingsError: ``unknown-quality``.
        """
        return _config(configure(quality, {}), quality)

    @staticmethod
    def from_settings(quality: str, settings: Mapping[str, Any]) -> Config:
        """The settings of a finished run, from ``manifest.quality`` and ``manifest.settings``.

        Raises:
            SettingsError: ``unknown-setting`` or ``bad-setting`` for those of another version of E2E3D.
        """
        stages = {name: values for name, values in settings.items() if name not in ("given", "stages")}
        return Config.preset(quality).replace(**stages)

    def replace(self, **changes: object) -> Config:
        """The same settings with some changed.

        Args:
            **changes: values by dotted name (``**{"depth.max_size_px": 768}``) or by stage
                (``depth={"max_size_px": 768}``); numbers of NumPy are taken.

        Raises:
            SettingsError: ``unknown-setting`` with the nearest known name, or ``bad-setting``.
        """
        return _config(apply_overrides(self.stages, changes), self.quality)

    @property
    def stages(self) -> PipelineConfig:
        """The settings of every stage, without the name of the preset."""
        return PipelineConfig(**{field.name: getattr(self, field.name) for field in dataclasses.fields(PipelineConfig)})

    @property
    def changes(self) -> dict[str, object]:
        """What differs from the preset, by dotted name."""
        preset, own = PRESETS[self.quality], self.stages
        values = {name: operator.attrgetter(name)(own) for name in setting_names(own)}
        return {name: value for name, value in values.items() if value != operator.attrgetter(name)(preset)}


def _config(stages: PipelineConfig, quality: str) -> Config:
    return Config(**{field.name: getattr(stages, field.name) for field in dataclasses.fields(stages)}, quality=quality)
