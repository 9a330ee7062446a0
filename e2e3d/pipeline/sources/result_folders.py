"""Folders of results among photographs: their textures are no photographs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

_MANIFEST = "manifest.json"
_MODEL = re.compile(r"model\.\w+")
_TEXTURE = re.compile(r"model(_\d+)?\.\w+")


def names_in_results(names: Iterable[str]) -> frozenset[str]:
    """Names, out of the relative posix paths of a source, that a run has written.

    A folder with ``manifest.json`` and ``model.*`` holds results, and so does all below it; of the folder that holds
    everything, in which photographs may lie beside results, only the textures.
    """
    paths = {name: posixpath.split(name) for name in names}
    manifests = {folder for folder, name in paths.values() if name == _MANIFEST}
    models = {folder for folder, name in paths.values() if _MODEL.fullmatch(name)}
    results = manifests & models
    if not results:
        return frozenset()
    top = posixpath.commonpath([folder for folder, _ in paths.values()])
    return frozenset(name for name, (folder, file) in paths.items() if _in_results(folder, file, results, top))


def _in_results(folder: str, file: str, results: set[str], top: str) -> bool:
    while folder != top:
        if folder in results:
            return True
        folder = posixpath.dirname(folder)
    return top in results and _TEXTURE.fullmatch(file) is not None
