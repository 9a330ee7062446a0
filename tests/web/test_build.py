"""The build of the page: what it makes of the service, when it is repeated, and that a wheel takes it along."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from e2e3d.config.presets import PRESETS
from scripts import build_web
from tests.command import ROOT


def test_every_setting_of_every_preset_is_known_to_the_page() -> None:
    document = json.loads(json.dumps(build_web.settings_document()))
    names = [each["name"] for each in document["settings"]]
    assert len(names) == len(set(names)) > 50
    assert all(each["meaning"] for each in document["settings"])
    assert list(document["presets"]) == list(PRESETS)
    for name, values in document["presets"].items():
        assert list(values) == names
        assert values["depth.max_size_px"] == PRESETS[name].depth.max_size_px


def test_a_changed_source_of_page_or_service_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(build_web, "ROOT", tmp_path)
    monkeypatch.setattr(build_web, "WEB", tmp_path / "web")
    monkeypatch.setattr(build_web, "__file__", str(tmp_path / "scripts" / "build_web.py"))
    files = ["web/src/main.tsx", "e2e3d/service/jobs/wire.py", "scripts/build_web.py"]
    passed_over = [
        "web/e2e/whole_way.mjs",
        "web/node_modules/x/index.js",
        "web/src/generated/schema.d.ts",
        "e2e3d/serve/page_files/index.html",
    ]
    for name in [*files, *passed_over]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before")
    digests = [build_web.digest_of(build_web.source_files())]
    for name in files:
        (tmp_path / name).write_text("after")
        digests.append(build_web.digest_of(build_web.source_files()))
    assert len(set(digests)) == 1 + len(files)
    for name in passed_over:
        (tmp_path / name).write_text("after")
    assert build_web.digest_of(build_web.source_files()) == digests[-1]


def test_what_is_built_travels_in_the_wheel_and_not_in_git() -> None:
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["e2e3d"]
    assert {"serve/page_files/*", "serve/page_files/assets/*"} <= set(packaged)
    assert "/e2e3d/serve/page_files/" in (ROOT / ".gitignore").read_text().splitlines()
