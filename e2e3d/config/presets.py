"""Quality presets: docs/using.md says what each asks for, benchmarks/RESULTS.md what it costs and gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from e2e3d.config.overrides import apply_overrides
from e2e3d.config.pipeline import PipelineConfig
from e2e3d.errors import SettingsError


def _preset(**stages: dict[str, Any]) -> PipelineConfig:
    config = PipelineConfig()
    changed = {name: dataclasses.replace(getattr(config, name), **values) for name, values in stages.items()}
    return dataclasses.replace(config, **changed)


PRESETS: dict[str, PipelineConfig] = {
    "preview": _preset(
        features={"max_size_px": 1600, "max_features": 4096},
        depth={"max_size_px": 480},
        mesh={"max_faces": 50_000},
        texture={"atlas_size_px": 2048},
    ),
    "low": _preset(
        features={"max_size_px": 2000, "max_features": 6144},
        depth={"max_size_px": 640},
        mesh={"max_faces": 100_000},
        texture={"atlas_size_px": 2048},
    ),
    "medium": _preset(
        depth={"max_size_px": 960},
        mesh={"max_faces": 200_000},
        texture={"atlas_size_px": 4096},
    ),
    "high": _preset(
        depth={"max_size_px": 1600},
        mesh={"max_faces": 600_000, "photo_steps": 2},
        texture={"atlas_size_px": 8192},
    ),
    "ultra": _preset(
        features={"max_features": 16384},
        depth={"max_size_px": 3200},
        mesh={"max_faces": 2_000_000, "photo_steps": 2},
        texture={"atlas_size_px": 8192, "max_pages": 4},
    ),
}
QUALITIES = tuple(PRESETS)
"""Their names, from the quickest to the best."""


def configure(quality: str, changes: Mapping[str, object]) -> PipelineConfig:
    """The settings of every stage.

    Raises:
        SettingsError: ``unknown-quality``, ``unknown-setting`` with the nearest known name, or ``bad-setting``.
    """
    if quality not in PRESETS:
        raise SettingsError(
            "unknown-quality", f"There is no quality {quality}.", f"Choose one of {', '.join(PRESETS)}."
        )
    return apply_overrides(PRESETS[quality], changes)
