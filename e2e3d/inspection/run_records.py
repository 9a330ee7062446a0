"""What a run left in its store: the final records, the results of every pass, and where each photograph is in them."""

from __future__ import annotations

import functools
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

import e2e3d.stages
from e2e3d.config.run_config import Config
from e2e3d.data.features import MatchBlock
from e2e3d.data.name_lookup import unknown_photograph
from e2e3d.data.photo import Photo, PhotoMask
from e2e3d.data.ref import Ref
from e2e3d.data.run_results import Results
from e2e3d.errors import InputError
from e2e3d.inspection.used_plugins import UsedPlugins
from e2e3d.stages.stage import Stage
from e2e3d.storage.store import ArtifactStore


@dataclass(frozen=True)
class RunRecords:
    """The records of a run.

    Attributes:
        results: the final ones.
        store: where all of them are.
        keys: content keys of the results of each pass, by its label.
        config: the settings.
        plugins: the stages of one's own that took part.
    """

    results: Results
    store: ArtifactStore = field(compare=False)
    keys: Mapping[str, tuple[str, ...]]
    config: Config
    plugins: UsedPlugins = field(default_factory=UsedPlugins, compare=False)

    @cached_property
    def usable(self) -> tuple[Photo, ...]:
        """The photographs that took part; matches, features and ``photo_index`` count in this list."""
        return tuple(photo for photo in self.results.photos if photo.usable)

    @cached_property
    def places(self) -> dict[str, int]:
        """Index into :attr:`usable` by name."""
        return {photo.name: i for i, photo in enumerate(self.usable)}

    @cached_property
    def view_places(self) -> dict[str, int]:
        """Index into ``results.views`` by name."""
        return {self.usable[view.photo_index].name: i for i, view in enumerate(self.results.geometry)}

    @cached_property
    def pair_places(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Block and place in it of every pair that was matched, by its indices into :attr:`usable`."""
        found = {}
        for number, ref in enumerate(self.results.matches):
            for p, (first, second) in enumerate(ref.load().pairs.tolist()):
                found[first, second] = number, p
        return found

    @cached_property
    def passes(self) -> dict[str, tuple[Ref[Any], ...]]:
        """The results of each pass by its label, in the order of its units, bound for loading."""
        return {label: tuple(self.ref(label, key) for key in keys) for label, keys in self.keys.items()}

    def photo(self, name: str) -> Photo:
        """A photograph, used or not. Raises InputError ``unknown-photograph``."""
        for photo in self.results.photos:
            if photo.name == name:
                return photo
        raise unknown_photograph(name, (photo.name for photo in self.results.photos), "The run")

    def place(self, name: str) -> int:
        """Index into :attr:`usable`. Raises InputError ``unknown-photograph`` or ``photo-not-used``."""
        photo = self.photo(name)
        if not photo.usable:
            why = " ".join(problem.message for problem in photo.problems if problem.fatal)
            raise InputError("photo-not-used", f"{name} took no part in the reconstruction: {why}", "")
        return self.places[name]

    def view_place(self, name: str) -> int:
        """Index into ``results.views``. Raises InputError ``no-view`` for a photograph that has none."""
        self.place(name)
        if name not in self.view_places:
            raise InputError("no-view", f"{name} has no depth: {self.why_without_view(name)}", "")
        return self.view_places[name]

    def why_without_view(self, name: str) -> str:
        """Why a usable photograph has no view."""
        for entry in self.results.mapping.left_out:
            if entry.name == name:
                return entry.reason
        return "no other view shows the same surface from a usefully different place."

    def block(self, number: int) -> MatchBlock:
        """A block of verified matches."""
        return self.results.matches[number].load()

    def blob(self, sha256: str) -> bytes:
        """The bytes of a photograph or mask."""
        return self.store.get_blob(sha256)

    def ref(self, label: str, key: str) -> Ref[Any]:
        """A result of the pass of that label, bound for loading."""
        kind = _record_types()[stage_of_pass(label)]
        return Ref(key, kind).bound(lambda: self.store.get(key, kind))


def stage_of_pass(label: str) -> str:
    """The stage that a pass runs; a function of one's own that takes its place makes the same kind of record."""
    return re.sub(r"^linked |( \d+| again)?(, .*)?$", "", label)


@functools.cache
def _record_types() -> dict[str, type[Any]]:
    """The class of the results of each stage, by its name."""
    found: dict[str, type[Any]] = {"masks": PhotoMask}  # made by functions of one's own only
    for module in pkgutil.iter_modules(e2e3d.stages.__path__):
        for value in vars(import_module(f"e2e3d.stages.{module.name}")).values():
            if isinstance(value, Stage):
                found[value.name] = value.output
    return found
