"""Which image set the photographs of a path went into, so that the same command goes on with the same set."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path


def _file() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "e2e3d" / "uploads.json"


def remembered_set(url: str, sources: Sequence[Path]) -> str | None:
    """The image set that was last made for these sources at this service."""
    found = _read().get(_key(url, sources))
    return found if isinstance(found, str) else None


def remember_set(url: str, sources: Sequence[Path], image_set_id: str) -> None:
    """Keep that in mind; a state folder that cannot be written only costs the convenience."""
    path = _file()
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.write_text(json.dumps(_read() | {_key(url, sources): image_set_id}, indent=1), encoding="utf-8")
        temporary.replace(path)
    except OSError:
        return


def _read() -> dict[str, object]:
    try:
        document = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _key(url: str, sources: Sequence[Path]) -> str:
    return "\n".join([url, *sorted(str(source.resolve()) for source in sources)])
