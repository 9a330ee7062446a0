"""All stages, operations, presets, storage backends and pages are made as CONTRIBUTING.md says."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import pkgutil
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import grimp
from fastapi import APIRouter

import e2e3d
import e2e3d.stages
import e2e3d.storage
from e2e3d.config.presets import QUALITIES
from e2e3d.serve.app import ROUTERS
from e2e3d.stages.stage import Stage
from tests.client.typed import command
from tests.command import ROOT
from tests.service.api import Api
from tests.service.conftest import embedded_api

__all__ = ["embedded_api"]

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
STAGE_NAMES = "a stage, its settings, its record and the mathematics of it"
SAME_NAMES = {
    "__main__": "what python -m starts: of the package, and of batches",
    "accounts": "the client's functions and the feature of the service",
    "administration": "the client's functions and the feature of the service",
    "annotations": "the commands, and the feature of the service",
    "consistency": STAGE_NAMES,
    "deployment": "settings of a deployment, and what Ray Serve calls one",
    "depth": STAGE_NAMES,
    "errors": "of the package, and of the client",
    "evaluation": "the mathematics, and what writes it down",
    "executor": "the protocol, and the one on Ray",
    "features": STAGE_NAMES,
    "frames": STAGE_NAMES,
    "fusion": STAGE_NAMES,
    "http": "of the client, and of the service",
    "ingest": STAGE_NAMES,
    "intake": "a feature and its main module",
    "jobs": "the client's functions, its commands, and the feature of the service",
    "mapping": STAGE_NAMES,
    "matching": STAGE_NAMES,
    "mesh": STAGE_NAMES,
    "metrics": "a feature and its main module",
    "outputs": "what a run writes, and which of it a user may ask for",
    "paging": "what the client asks for, and what the service answers",
    "pairs": STAGE_NAMES,
    "pipeline": "its settings, its package, and its main module",
    "progress": "of a run, and of a transfer",
    "results": "the commands, and the feature of the service",
    "retention": "a feature and its main module",
    "runner": "a feature and its main module",
    "service": "its settings, its commands, and the package",
    "smaller_sizes": "which sizes there are, and their passes in the pipeline",
    "sources": "settings of what photographs may come from, and what reads them",
    "stereo": STAGE_NAMES,
    "submission": "the commands, and what the service does with a job that comes",
    "texture": STAGE_NAMES,
    "undistort": STAGE_NAMES,
    "uploads": "the client's functions, its commands, and the feature of the service",
    "webhooks": "the commands, and the feature of the service",
}
"""Names of modules that may occur more than once, beside those of a feature's parts."""
FEATURE_PARTS = ("routes", "queries", "tables", "records", "wire")
MAY_IMPORT = {
    "routes": {"routes", "queries", "tables", "records", "wire", None},
    "queries": {"queries", "tables", "records", None},
    "tables": {"tables", "records"},
    "records": {"records"},
    "wire": {"wire", "records"},
    None: {"queries", "tables", "records", "wire", None},
}
"""What the parts of a feature may import of their own feature; None = its rules."""


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("e2e3d", cache_dir=None)


def stages() -> Iterator[tuple[str, str, Stage[Any, Any, Any]]]:
    """Module, variable and stage."""
    for found in pkgutil.iter_modules(e2e3d.stages.__path__):
        module = importlib.import_module(f"e2e3d.stages.{found.name}")
        for variable, value in vars(module).items():
            if isinstance(value, Stage):
                yield found.name, variable, value


def text_below(*folders: str) -> str:
    return "\n".join(path.read_text() for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))


def test_a_stage_has_its_settings_a_line_in_the_pipeline_and_a_test() -> None:
    pipeline, tests = text_below("e2e3d/pipeline"), text_below("tests/stages", "tests/pipeline")
    found = list(stages())
    assert len(found) > 10
    for module, variable, stage in found:
        assert re.search(rf"\b{module}(_stage)?\.{variable}\b", pipeline), f"{module}.{variable} runs nowhere"
        in_config = stage.config.__module__.startswith("e2e3d.config.")
        without_settings = variable != "STAGE" or not dataclasses.fields(stage.config)
        assert in_config or without_settings, f"the settings of {module}"
        assert re.search(rf"\bstages\.{module}\b|\bstages import .*\b{module}\b", tests), f"{module} has no test"
    names = [stage.name for _, _, stage in found]
    assert len(names) == len(set(names))


def test_an_operation_is_in_the_application() -> None:
    there = set()
    for path in sorted((ROOT / "e2e3d" / "service").glob("*/*routes.py")):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        there |= {id(value) for value in vars(module).values() if isinstance(value, APIRouter)}
    assert there == {id(router) for router in ROUTERS}
    # that it has a function in both clients, a command and a row in docs/api.md: tests/client/test_operations.py


def test_a_preset_is_in_the_documents_the_help_and_the_description_of_the_api(embedded_api: Api) -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    for quality in QUALITIES:
        assert re.search(rf"^\| {quality} \|", pages, re.MULTILINE), f"{quality} is in no table of the documents"
    shown = re.sub(r"\W+", " ", command("run", "--help").stdout)
    assert f"{' '.join(QUALITIES[:-1])} or {QUALITIES[-1]}" in shown
    schemas = embedded_api.client.get("/v1/openapi.json").json()["components"]["schemas"]
    described = [schema["properties"]["quality"] for schema in schemas.values() if "quality" in schema["properties"]]
    asked = [field["description"] for field in described if "description" in field]
    assert asked
    assert all(", ".join(QUALITIES) in text for text in asked)


def storage_protocols() -> dict[type, list[type]]:
    """The protocols of the package and the classes that have all of their methods."""
    classes: dict[str, type] = {}
    for found in pkgutil.iter_modules(e2e3d.storage.__path__):
        module = importlib.import_module(f"e2e3d.storage.{found.name}")
        classes |= {
            name: value
            for name, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module.__name__
        }

    def methods(kind: type) -> set[str]:
        return {name for name, value in vars(kind).items() if callable(value) and not name.startswith("_")}

    protocols = [kind for kind in classes.values() if getattr(kind, "_is_protocol", False) and methods(kind)]
    return {
        protocol: [kind for kind in classes.values() if kind not in protocols and methods(protocol) <= methods(kind)]
        for protocol in protocols
    }


def test_a_storage_backend_passes_the_contract_of_all() -> None:
    contracts = {}
    for path in (ROOT / "tests" / "storage").glob("test_*.py"):
        words = [word for word in ast.walk(ast.parse(path.read_text())) if isinstance(word, ast.keyword)]
        for word in words:
            if word.arg == "params" and isinstance(word.value, ast.List):
                contracts[path.name] = len(word.value.elts)
    backends = [found for found in storage_protocols().values() if len(found) > 1]
    assert contracts
    assert backends
    for found in backends:
        assert set(contracts.values()) == {len(found)}, [backend.__name__ for backend in found]


def test_a_page_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.is_file():
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)#:]+\.md)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        waiting += [(page.parent / link).resolve() for link in links]
    missed = [page.relative_to(ROOT).as_posix() for page in PAGES if page not in reached]
    assert [page for page in missed if not page.startswith("docs/adr/")] == []


def part_of(module: str) -> str | None:
    """Which part of a feature a module is; None for its rules."""
    last = module.rpartition(".")[2].rpartition("_")[2]
    return next((part for part in FEATURE_PARTS if last in (part, part.removesuffix("s"))), None)


def test_the_parts_of_a_feature_import_each_other_one_way() -> None:
    wrong = []
    for module in sorted(graph().modules):
        feature, _, name = module.rpartition(".")
        if feature.count(".") != 2 or not feature.startswith("e2e3d.service.") or not name:
            continue
        for other in graph().find_modules_directly_imported_by(module):
            if other.rpartition(".")[0] == feature and part_of(other) not in MAY_IMPORT[part_of(module)]:
                wrong.append(f"{module} imports {other}")
    assert wrong == []


def test_every_module_is_in_a_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract for contract in contracts if contract["type"] == "layers"]
    assert layers["exhaustive"]
    named = {name.strip() for layer in layers["layers"] for name in layer.split("|")}
    assert {module.split(".")[1] for module in graph().modules if "." in module} == named
    folders = {path.parent for path in Path(e2e3d.__path__[0]).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_modules_have_no_cycle() -> None:
    """Also imports inside functions count: who reads one of two such modules must know the other."""
    found = graph()
    left = {module: set(found.find_modules_directly_imported_by(module)) for module in found.modules}
    while free := [module for module, imported in left.items() if not imported & left.keys()]:
        for module in free:
            del left[module]
    while free := [module for module in left if not any(module in imported for imported in left.values())]:
        for module in free:
            del left[module]
    assert sorted(left) == []


def test_names_of_modules_that_occur_twice_are_known() -> None:
    homes = defaultdict(list)
    for module in graph().modules:
        homes[module.rpartition(".")[2]].append(module)
    twice = {name: sorted(modules) for name, modules in homes.items() if len(modules) > 1 and name not in FEATURE_PARTS}
    assert {name: modules for name, modules in twice.items() if name not in SAME_NAMES} == {}
    assert SAME_NAMES.keys() - twice.keys() == set()


def test_files_and_functions_are_short() -> None:
    """Files under 400 lines, functions under 60 without their docstrings; migrations stay as they were written."""
    long: list[str] = []
    for path in sorted((ROOT / "e2e3d").rglob("*.py")):
        if path.parent.name == "versions":
            continue
        source = path.read_text(encoding="utf-8")
        if source.count("\n") >= 400:
            long.append(path.name)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                said = (ast.get_docstring(node, clean=False) or "").count("\n") + 1
                if node.end_lineno - node.lineno + 1 - said >= 60:
                    long.append(f"{path.name}: {node.name}")
    assert long == []
