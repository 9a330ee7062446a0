"""The stages of one's own that a finished run has used, found again to compute single units of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from e2e3d.errors import E2E3DError, SettingsError
from e2e3d.pipeline.plugins import Given, Plugins, choose_plugins
from e2e3d.pipeline.units import resolve
from e2e3d.stages.plugin_adapters import KINDS
from e2e3d.stages.plugin_stage import PluginStage
from e2e3d.stages.stage import Stage


@dataclasses.dataclass(frozen=True)
class UsedPlugins:
    """What a run has used.

    Attributes:
        recorded: what the manifest says of it, by kind.
        held: the stages themselves, where this process has made the run.
    """

    recorded: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    held: Plugins = dataclasses.field(default_factory=Plugins)

    def of(self, stage: str, given: Mapping[str, Given] | None = None) -> Plugins:
        """Those that take the place of a stage: the ones that are given, else the ones that the run has used.

        Raises:
            SettingsError: ``unknown-stage`` for a given one of another stage; ``plugin-not-at-hand`` and
                ``plugin-changed`` where the function of the run is not to be had, or is another one by now.
        """
        if given:
            chosen = {kind: one for kind, one in choose_plugins(given).stages.items() if KINDS[kind].stage == stage}
            if not chosen:
                raise SettingsError(
                    "unknown-stage",
                    f"{', '.join(given)} of one's own takes no part in {stage}.",
                    "Give one that does: features, matching, depth or depth_start.",
                )
            return Plugins(chosen)
        used = [kind for kind in self.recorded if KINDS[kind].stage == stage]
        return Plugins({kind: self.held.stages.get(kind) or _found(kind, self.recorded[kind]) for kind in used})


def with_changes(plugins: Plugins, changes: Mapping[str, object]) -> tuple[Plugins, dict[str, object]]:
    """The stages with the changes to settings of their functions, and the changes that are left."""
    left, changed = dict(changes), dict(plugins.stages)
    for kind, stage in plugins.stages.items():
        if isinstance(stage, PluginStage):
            own = {name: left.pop(name) for name, _ in stage.settings if name in left}
            changed[kind] = stage.with_settings(own) if own else stage
    return Plugins(changed), left


def _found(kind: str, said: Mapping[str, Any]) -> Stage[Any, Any, Any]:
    """The stage that the manifest names, with the settings that it had."""
    path, name = said.get("path"), said["name"]
    hint = f"Give the function: rerun(…, stages={{{kind!r}: function}})."
    settings = {setting: _value(value) for setting, value in said.get("settings", {}).items()}
    if path is None or any(isinstance(value, Mapping) for value in settings.values()):
        why = "it was defined where it cannot be imported" if path is None else "a setting of it is an array"
        raise SettingsError("plugin-not-at-hand", f"{kind} of this run is {name}, and {why}.", hint)
    try:
        stage = resolve(path)
    except (E2E3DError, ImportError, AttributeError, TypeError) as error:
        raise SettingsError("plugin-not-at-hand", f"{kind} of this run is {name}: {error}", hint) from error
    source = stage.source if isinstance(stage, PluginStage) else ""
    if (stage.name, stage.version, source) != (name, said["version"], said.get("source", "")):
        raise SettingsError("plugin-changed", f"{kind} of this run is {name}, which is another one by now.", hint)
    return stage.with_settings(settings) if isinstance(stage, PluginStage) else stage


def _value(value: Any) -> Any:
    return tuple(_value(item) for item in value) if isinstance(value, list) else value
