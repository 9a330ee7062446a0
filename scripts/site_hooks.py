"""What MkDocs does beside its own work, see mkdocs.yml: pages from outside docs/, and the reference of the HTTP API.

The site has the same pages as the repository, in the same places where they lie below docs/. Links between them are
rewritten; those to source files become the names of the files.
"""

from __future__ import annotations

import json
import posixpath
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
OUTSIDE = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "project/architecture.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changes.md",
    "SECURITY.md": "project/security.md",
    "benchmarks/README.md": "project/benchmarks.md",
    "benchmarks/RESULTS.md": "project/results.md",
    "notebooks/README.md": "notebooks/index.md",
}
"""Pages that lie elsewhere in the repository, and where the site has them."""

NOTEBOOKS = {
    f"notebooks/{path.name}": f"notebooks/{path.stem}.md" for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
}
"""The notebooks, which the site shows as ``make notebooks`` has left them in build/notebooks, else without outputs."""
_NOT_RUN = "*Shown without what the cells print and draw.*"

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every page of a folder where the navigation says ``folder/*``, and every page that it leaves out at ``*``."""
    named = set(_named(config.nav))
    folders = {item[:-2] for item in named if item.endswith("/*")}
    pages = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    rest = [page for page in pages if page not in named and posixpath.dirname(page) not in folders]
    config.nav = _expanded(config.nav, [*pages, *NOTEBOOKS.values()], rest)
    return config


def _named(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for below in nav.values() if isinstance(nav, dict) else nav:
            yield from _named(below)


def _expanded(nav: Any, pages: list[str], rest: list[str]) -> Any:
    if isinstance(nav, dict):
        return {title: _expanded(below, pages, rest) for title, below in nav.items()}
    if not isinstance(nav, list):
        return nav
    found: list[Any] = []
    for item in nav:
        if item == "*":
            found += rest
        elif isinstance(item, str) and item.endswith("/*"):
            below = [page for page in pages if posixpath.dirname(page) == item[:-2]]
            found += [page for page in below if not page.endswith("/README.md")]
        else:
            found.append(_expanded(item, pages, rest))
    return found


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/, and those that are made from the service."""
    for source, target in OUTSIDE.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    for source, target in NOTEBOOKS.items():
        files.append(File.generated(config, target, content=notebook_page(ROOT / source)))
    description = service_description()
    files.append(File.generated(config, "openapi.json", content=json.dumps(description, indent=1)))
    files.append(File.generated(config, "http.md", content=operations_page(description)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links to where the site has what they lead to."""
    here = page.file.src_uri
    source = next((path for path, target in (OUTSIDE | NOTEBOOKS).items() if target == here), f"docs/{here}")

    def rewritten(found: re.Match[str]) -> str:
        picture, text, link = found.groups()
        path, _, heading = link.partition("#")
        if not path or re.match(r"[a-z]+:", link):
            return found[0]
        target = place_of(posixpath.normpath(posixpath.join(posixpath.dirname(source), path)))
        if target is None or files.get_file_from_path(target) is None:
            return text
        relative = posixpath.relpath(target, posixpath.dirname(here) or ".")
        return f"{picture}[{text}]({relative}{'#' if heading else ''}{heading})"

    return _LINK.sub(rewritten, markdown)


def place_of(path: str) -> str | None:
    """Where the site has a file of the repository, None for one that it has not."""
    if path in OUTSIDE | NOTEBOOKS:
        return (OUTSIDE | NOTEBOOKS)[path]
    if path == "docs":
        return "using.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else None


def notebook_page(path: Path) -> str:
    """A notebook as Markdown with its pictures inside; as it was run, where it was."""
    from nbconvert import MarkdownExporter
    from traitlets.config import Config

    as_run = ROOT / "build" / "notebooks" / path.name
    exporter = MarkdownExporter(config=Config({"ExtractOutputPreprocessor": {"enabled": False}}))
    text, _ = exporter.from_filename(str(as_run if as_run.is_file() else path))
    title, _, rest = str(text).partition("\n")
    return str(text) if as_run.is_file() else f"{title}\n\n{_NOT_RUN}\n{rest}"


def service_description() -> dict[str, Any]:
    """What the application says of itself (OpenAPI); nothing is connected for it."""
    from e2e3d.config.deployment import ServiceSettings
    from e2e3d.serve.app import create_app
    from e2e3d.service.services import build_services

    with tempfile.TemporaryDirectory() as folder:
        services = build_services(ServiceSettings(home=Path(folder), secret_key="k" * 40))
        description: dict[str, Any] = create_app(services).openapi()
        services.close()
    return description


def operations_page(description: Mapping[str, Any]) -> str:
    """Every operation with its parameters and answers."""
    parts = ["# HTTP reference\n", "Made from the service; [openapi.json](openapi.json) is the same for programs.\n"]
    by_tag: dict[str, list[str]] = {}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation.get("tags", ["Other"])[0], []).append(
                "\n".join(_operation(f"{method.upper()} {path}", operation))
            )
    for tag, operations in by_tag.items():
        parts += [f"## {tag}\n", *operations]
    return "\n".join(parts)


def _operation(title: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"### `{title}`\n\n**{operation.get('summary', '')}.** {operation.get('description', '')}\n"
    if parameters := operation.get("parameters"):
        yield "| parameter | in | needed | meaning |\n|---|---|---|---|"
        for one in parameters:
            needed, meaning = "yes" if one.get("required") else "", " ".join(one.get("description", "").split())
            yield f"| `{one['name']}` | {one['in']} | {needed} | {meaning} |"
        yield ""
    answers = [f"{status} {answer.get('description', '')}".strip() for status, answer in operation["responses"].items()]
    yield f"Answers: {', '.join(answers)}.\n"
