"""Tiles and a streamed cloud in a real browser: seen soon, sharp in the end, measurable, and without complaint."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.streaming import watch, write_large
from e2e3d.serve.web_page import FOLDER
from scripts.build_web import find_node

pytestmark = pytest.mark.operations


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if not (FOLDER / "index.html").is_file() or find_node() is None:
        pytest.skip("the page is not built: run `make web`")
    if shutil.which("chromium") is None:
        pytest.skip("there is no chromium")
    folder: Path = tmp_path_factory.mktemp("files") / "result"
    write_large(folder, faces=200_000, texture_px=2048, points=400_000)
    return watch(folder, tmp_path_factory.mktemp("home"))


def test_the_model_is_seen_coarse_first_and_then_sharpens(seen: dict[str, Any]) -> None:
    textured = seen["textured"]
    assert textured["files"][:2] == ["tiles/tileset.json", "tiles/tree/r.glb"]
    assert len(textured["files"]) > 2
    assert textured["first"]["share"] > 0.05
    assert textured["look"]["share"] > 0.05
    assert textured["look"]["hash"] != textured["first"]["hash"]
    assert "model.glb" not in textured["files"]


def test_the_cloud_comes_in_parts(seen: dict[str, Any]) -> None:
    cloud = seen["cloud"]
    assert cloud["files"] == ["dense.copc.laz"]
    assert cloud["look"]["share"] > cloud["first"]["share"] > 0.005
    assert "400,000" in cloud["size"]


def test_tiles_are_measured_and_shown_plain(seen: dict[str, Any]) -> None:
    assert seen["plain"]["look"]["share"] > 0.05
    assert 0.1 < seen["length"] < 5


def test_nothing_is_complained_of(seen: dict[str, Any]) -> None:
    assert seen["complaints"] == []
