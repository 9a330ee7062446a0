"""Which stages of one's own a run uses: given as functions or stages, or by registered names."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import cv2
import numpy as np

from e2e3d.config.pipeline import PipelineConfig
from e2e3d.data.photo import Photo
from e2e3d.data.ref import Ref
from e2e3d.errors import SettingsError
from e2e3d.pipeline.executor import Executor
from e2e3d.pipeline.passes import Pass
from e2e3d.pipeline.units import locate
from e2e3d.stages.plugin_adapters import KINDS, MaskConfig, MaskInputs, PluginConfig
from e2e3d.stages.plugin_stage import PluginStage, importable, stage_of
from e2e3d.stages.stage import Stage
from e2e3d.storage.content_keys import canonical

ENTRY_POINTS = "e2e3d.stages"
"""Group of the entry points that packages register stages of their own under."""
BUILT_IN: Mapping[str, str] = {
    "xfeat": "e2e3d.stages.plugin_functions:xfeat",
    "lighterglue": "e2e3d.stages.plugin_functions:lighterglue",
    "nearest": "e2e3d.stages.plugin_functions:nearest",
}
"""Those that come with E2E3D, by name."""

Given = str | Callable[..., Any] | Stage[Any, Any, Any]
"""A stage of one's own: its registered name, a function, or a stage."""


@dataclass(frozen=True)
class Plugins:
    """The stages of one's own in a run, by kind."""

    stages: Mapping[str, Stage[Any, Any, Any]] = field(default_factory=dict)

    def applied_to(self, one: Pass[Any, Any, Any]) -> Pass[Any, Any, Any]:
        """The pass, with the stage of one's own that takes the place of its stage, if there is one."""
        for kind, stage in self.stages.items():
            if KINDS[kind].stage == one.stage.name:
                return Pass(stage, one.inputs, _config(stage, one.config), one.name, one.names)
        return one

    @property
    def compares_pairs(self) -> bool:
        """Whether photographs are compared by their features before they are matched: by those of SIFT."""
        return "features" not in self.stages

    def mask(self, photos: Sequence[Photo], run: Executor) -> tuple[Photo, ...]:
        """The photographs, with masks where they are usable and came without one."""
        stage = self.stages.get("masks")
        bare = [i for i, photo in enumerate(photos) if photo.usable and photo.mask_sha256 is None]
        if stage is None or not bare:
            return tuple(photos)
        units = [MaskInputs(Ref.blob(photos[i].sha256), photos[i].white_level) for i in bare]
        masked = list(photos)
        for i, ref in zip(bare, run.map(stage, units, _config(stage, MaskConfig()), "masks"), strict=True):
            png = cv2.imencode(".png", ref.load().usable.astype(np.uint8) * 255)[1].tobytes()
            masked[i] = dataclasses.replace(masked[i], mask_sha256=run.put_blob(png).key.partition("/")[2])
        return tuple(masked)

    def check(self, config: PipelineConfig) -> None:
        """Raises SettingsError ``plugin-conflict`` where settings ask for what cannot be done with these stages."""
        if config.learned.enabled and {"features", "matching"} & set(self.stages):
            raise SettingsError(
                "plugin-conflict",
                "learned.enabled joins other features with those of SIFT, and features or matching are of your own.",
                "Leave one of them out.",
            )

    def require_importable(self) -> None:
        """Make sure that other processes can find every stage.

        Raises:
            SettingsError: ``plugin-not-importable``.
        """
        for kind, stage in self.stages.items():
            if not _found_elsewhere(stage):
                what = stage.function if isinstance(stage, PluginStage) else stage.run
                name = f"{getattr(what, '__qualname__', stage.name)} of {getattr(what, '__module__', '?')}"
                raise SettingsError(
                    "plugin-not-importable",
                    f"{kind} is {name}: defined in a notebook, in the script itself or inside a function, where Ray's "
                    "processes cannot import it.",
                    "Put it at the top level of a module (a file beside the notebook will do), or run with "
                    "executor='inprocess'.",
                )

    def recorded(self) -> dict[str, dict[str, Any]]:
        """What the manifest says of them, by kind, as JSON has it."""
        return {kind: _recorded(stage) for kind, stage in self.stages.items()}


NO_PLUGINS = Plugins()


def choose_plugins(given: Mapping[str, Given]) -> Plugins:
    """The stages of one's own that are given by kind.

    Where only features are of one's own, their descriptors are matched by ``nearest``.

    Raises:
        SettingsError: ``unknown-stage`` for another kind, ``unknown-plugin`` for a name that is not registered,
            ``bad-plugin``, ``plugin-without-version`` as :func:`~e2e3d.stages.plugin_stage.stage_of`, and
            ``plugin-conflict`` for two in one place.
    """
    for kind in given:
        if kind not in KINDS:
            near = difflib.get_close_matches(kind, KINDS, n=1, cutoff=0.0)[0]
            raise SettingsError(
                "unknown-stage",
                f"{kind!r} is nothing that a stage of one's own can do.",
                f"Did you mean {near}? There are {', '.join(KINDS)}.",
            )
    if {"depth", "depth_start"} <= set(given):
        raise SettingsError(
            "plugin-conflict", "depth takes the place of the search that depth_start begins.", "Give one of them."
        )
    chosen = dict(given)
    if "features" in chosen:
        chosen.setdefault("matching", "nearest")
    return Plugins({kind: _stage(kind, value) for kind, value in chosen.items()})


def parse_choices(texts: Sequence[str]) -> dict[str, str]:
    """``KIND=NAME`` texts of the command line. Raises SettingsError ``bad-setting``."""
    choices = {}
    for text in texts:
        kind, separator, name = text.partition("=")
        if not separator or not kind or not name:
            raise SettingsError("bad-setting", f"--stage {text} is no choice.", "Write --stage KIND=NAME.")
        choices[kind.strip()] = name.strip()
    return choices


def registered() -> dict[str, Callable[[], Any]]:
    """What loads each registered stage of one's own, by name; a package may take the name of a built-in one."""
    found: dict[str, Callable[[], Any]] = {name: _loader(path) for name, path in BUILT_IN.items()}
    return found | {point.name: point.load for point in metadata.entry_points(group=ENTRY_POINTS)}


def _loader(path: str) -> Callable[[], Any]:
    module, _, name = path.partition(":")
    return lambda: getattr(importlib.import_module(module), name)


def _stage(kind: str, given: Given) -> Stage[Any, Any, Any]:
    if isinstance(given, str):
        given = _named(given)
    if not isinstance(given, Stage):
        return stage_of(kind, given)
    if given.output is not KINDS[kind].output or not given.name.startswith(f"{kind}-"):
        raise SettingsError(
            "bad-plugin",
            f"The stage {given.name} makes a {given.output.__name__}.",
            f"For {kind}, name it {kind}-SOMETHING, and let it make a {KINDS[kind].output.__name__}.",
        )
    return given


def _named(name: str) -> Callable[..., Any] | Stage[Any, Any, Any]:
    known = registered()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise SettingsError(
            "unknown-plugin",
            f"No stage of the name {name!r} is registered here.",
            f"Did you mean {near}? There are {', '.join(sorted(known))}; packages register more as entry points of "
            f"the group {ENTRY_POINTS}.",
        )
    try:
        loaded: Callable[..., Any] | Stage[Any, Any, Any] = known[name]()
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            "bad-plugin", f"The registered stage {name} cannot be imported: {error}.", "Install its package again."
        ) from error
    return loaded


def _config(stage: Stage[Any, Any, Any], built_in: Any) -> Any:
    """The settings that a stage of one's own runs with, in the place of those of the built-in one."""
    if isinstance(stage, PluginStage):
        return PluginConfig(built_in, stage.source, stage.settings)
    return built_in if isinstance(built_in, stage.config) else stage.config()


def _recorded(stage: Stage[Any, Any, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"name": stage.name, "version": stage.version}
    if _found_elsewhere(stage):
        said["path"] = locate(stage)
    if isinstance(stage, PluginStage):
        said |= {"source": stage.source, "settings": {name: _plain(value) for name, value in stage.settings}}
    return said


def _plain(value: Any) -> Any:
    """A setting as JSON has it; of an array, its content's name."""
    if isinstance(value, np.ndarray):
        return {"array": canonical(value)[-1]}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _found_elsewhere(stage: Stage[Any, Any, Any]) -> bool:
    if isinstance(stage, PluginStage):
        assert stage.function is not None
        return importable(stage.function)
    try:
        return not locate(stage).startswith("__main__:")
    except (ValueError, KeyError, AttributeError):
        return False
