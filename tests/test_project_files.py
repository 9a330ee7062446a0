"""What contributors and users find beside the code agrees with it: decisions, links, figures, hooks, the change log."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e3d.config.bounds import name_before
from e2e3d.config.pipeline import PipelineConfig
from e2e3d.runtime.reporting import EXIT_CODES
from tests.command import ROOT

ADRS = sorted((ROOT / "docs" / "adr").glob("0*.md"))
PAGES = sorted(
    page
    for folder in (
        ROOT,
        ROOT / "docs",
        ROOT / "docs" / "adr",
        ROOT / "docs" / "runbooks",
        ROOT / "benchmarks",
        ROOT / "benchmarks" / "history",
    )
    for page in folder.glob("*.md")
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, heading = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert not heading or heading in headings(found), target


def headings(page: Path) -> set[str]:
    """The anchors that GitHub makes of the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_source_files_that_pages_name_exist() -> None:
    """History speaks of the names of its day; every other page of today's."""
    known = set(
        subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    )
    names = [
        (page.name, name)
        for page in PAGES
        if page.parent.name != "history" and page.name != "CHANGELOG.md"
        for name in re.findall(r"`(?:python )?([\w./-]+/[\w-]+\.py)\b", page.read_text(encoding="utf-8"))
    ]
    assert names
    said = [(page, name) for page, name in names if "NAME" not in name]  # NAME is a placeholder of a recipe
    assert [(page, name) for page, name in said if not {name, f"e2e3d/{name}"} & known] == []


@pytest.mark.parametrize("page", ADRS, ids=lambda page: page.name)
def test_a_decision_is_one_page_with_its_three_parts(page: Path) -> None:
    said = page.read_text(encoding="utf-8")
    assert len(said.splitlines()) <= 60
    assert said.startswith(f"# {int(page.name[:4])}. ")
    parts = re.findall(r"^(?:\*\*|## )(Context|Decision|Consequences?)\b", said, re.MULTILINE)
    assert [part.rstrip("s") for part in parts][:3] == ["Context", "Decision", "Consequence"]


def test_every_decision_is_in_the_list_with_its_title() -> None:
    listed = re.findall(r"^\| \[(\d+)\]\(([^)]+)\) \| (.*) \|$", text("docs/adr/README.md"), re.MULTILINE)
    titles = [re.match(r"# (\d+)\. (.*)", page.read_text(encoding="utf-8")) for page in ADRS]
    assert listed == [(found[1], page.name, found[2]) for page, found in zip(ADRS, titles, strict=True) if found]


def test_the_figures_of_the_readme_are_those_of_the_results() -> None:
    table = re.search(r"^## Three figures$(.*?)^## ", text("README.md"), re.MULTILINE | re.DOTALL)
    assert table is not None
    figures = re.findall(r"\| \*\*(.*?)\*\* \|", table[1])
    assert len(figures) == 3
    results = text("benchmarks/RESULTS.md")
    assert [figure for figure in figures if figure not in results] == []


def test_the_map_names_every_part_and_no_other() -> None:
    rows = re.findall(r"^\| (`[\w.]+/?`[^|]*) \| (.*) \|$", text("ARCHITECTURE.md"), re.MULTILINE)
    parts = {name.rstrip("/"): words for names, words in rows for name in re.findall(r"`([^`]+)`", names)}
    assert set(parts) == parts_of("e2e3d")
    for part in ("ops", "service"):
        folders = {name for name in parts_of(f"e2e3d/{part}") if not name.endswith(".py")}
        assert folders == set(re.findall(r"`(\w+)/?`", parts[part])), part


def parts_of(folder: str) -> set[str]:
    """The packages and modules right below a package."""
    paths = (ROOT / folder).iterdir()
    return {path.name for path in paths if path.suffix == ".py" or (path / "__init__.py").exists()} - {"__init__.py"}


def test_the_table_of_exit_codes_is_complete() -> None:
    rows = re.findall(r"^\| (\d+) \|", text("docs/using.md"), re.MULTILINE)
    assert rows == re.findall(r"(?:^|[ ,;])(\d+) ", EXIT_CODES)


def test_every_benchmark_is_in_the_table() -> None:
    programs = [path.name for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text("utf-8")]
    assert [name for name in programs if f"| `{name}" not in text("benchmarks/README.md")] == []


def test_the_hooks_before_a_commit_are_those_of_make_check() -> None:
    hooks = [hook for repo in yaml.safe_load(text(".pre-commit-config.yaml"))["repos"] for hook in repo["hooks"]]
    assert all(hook["language"] == "system" for hook in hooks)
    recipe = text("Makefile").split("\ncheck: setup-dev")[1].split("\n\n")[0]
    assert {hook["entry"].split()[0] for hook in hooks} == set(re.findall(r"@(\.venv/bin/\S+)", recipe))


def test_the_workflow_calls_what_everybody_calls() -> None:
    steps = yaml.safe_load(text(".github/workflows/ci.yml"))["jobs"]["ci"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_change_log_has_this_version_and_the_settings_that_were_renamed() -> None:
    log = text("CHANGELOG.md")
    assert re.search(rf"^## \[{re.escape(PROJECT['version'])}\] - \d{{4}}-\d\d-\d\d$", log, re.MULTILINE)
    renamed = earlier_names(PipelineConfig())
    assert renamed["depth.max_size"] == "depth.max_size_px"
    assert [pair for pair in renamed.items() if not all(f"`{name}`" in log for name in pair)] == []


def earlier_names(config: Any, prefix: str = "") -> dict[str, str]:
    """Names of settings by those that earlier releases had."""
    names: dict[str, str] = {}
    for field in dataclasses.fields(config):
        value, before = getattr(config, field.name), name_before(field)
        if dataclasses.is_dataclass(value):
            names |= earlier_names(value, f"{prefix}{field.name}.")
        elif before is not None:
            names[prefix + before] = prefix + field.name
    return names
