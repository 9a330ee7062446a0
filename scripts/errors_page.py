"""Write docs/errors.md from where the code raises errors: ``python scripts/errors_page.py > docs/errors.md``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "e2e3d"
_HEAD = """# Errors

Every error has a code that stays the same, and says what is wrong and what to do. The command line ends with the exit
code of its kind and prints both; the service answers `application/problem+json` with `code`, `detail` and `action`; a
failed job carries them. `…` stands for what the message names. Of what the machine lacks, users of a service are told
in other words ([ADR 39](adr/0039-words-for-users.md)). This page is written by `scripts/errors_page.py`.
"""
_KINDS = {
    "SettingsError": "Settings and options (exit code 2, HTTP 422)",
    "InputError": "What was handed in (exit code 3, HTTP 422)",
    "ReconstructionError": "The reconstruction (exit code 4)",
    "MachineError": "The machine and its servers (exit code 5, HTTP 503)",
    "ProblemError": "Requests to the service (the status in the first column)",
    "BodyError": "Bodies of requests (the status in the first column)",
}
_BASES = {"UnitDiedError": "MachineError"}
_WITH_STATUS = ("ProblemError", "BodyError")


@dataclass(frozen=True, order=True)
class RaisedError:
    """One place that makes an error: its kind, code, HTTP status (0 = by its kind), message and hint."""

    kind: str
    code: str
    status: int
    message: str
    hint: str


def raised_errors() -> list[RaisedError]:
    """Every error that is made with a literal code, in order."""
    found = {error for path in PACKAGE.rglob("*.py") for error in _errors_in(ast.parse(path.read_text("utf-8")))}
    return sorted(found)


def page() -> str:
    """The whole page; of several places with one code the first is shown."""
    parts, errors = [_HEAD], raised_errors()
    for kind, title in _KINDS.items():
        firsts = {error.code: error for error in reversed(errors) if error.kind == kind}
        status = kind in _WITH_STATUS
        parts.append(f"## {title}\n\n|{' status |' if status else ''} code | what is wrong | what to do |")
        parts.append("|---" * (4 if status else 3) + "|")
        for code in sorted(firsts):
            error = firsts[code]
            first = f" {error.status} |" if status else ""
            parts.append(f"|{first} `{code}` | {error.message} | {error.hint} |")
        parts.append("")
    return "\n".join(parts)


def _errors_in(tree: ast.Module) -> Iterator[RaisedError]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {*_KINDS, *_BASES}:
            kind, arguments = _BASES.get(node.func.id, node.func.id), list(node.args)
            status = 0
            if kind in _WITH_STATUS and arguments and isinstance(first := arguments.pop(0), ast.Constant):
                status = int(first.value)
            if len(arguments) >= 2 and isinstance(code := arguments[0], ast.Constant) and isinstance(code.value, str):
                hint = _text(arguments[2]) if len(arguments) > 2 else ""
                yield RaisedError(kind, code.value, status, _text(arguments[1]), hint)


def _text(node: ast.expr) -> str:
    """A literal as it reads, with an ellipsis for every value in it."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").split())


if __name__ == "__main__":
    print(page(), end="")
