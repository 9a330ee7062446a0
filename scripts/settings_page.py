"""Write docs/settings.md from what the stages declare: ``python scripts/settings_page.py > docs/settings.md``."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

from e2e3d.config.bounds import allowed_of
from e2e3d.config.presets import PRESETS

_ATTRIBUTE = re.compile(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", re.MULTILINE)
_HEAD = """# Settings

Every setting of every stage, as `--set stage.setting=value`, in `settings={...}` of Python and the API, and what it may
be; the defaults are those of `--quality medium`. A value outside is refused with `bad-setting` before anything is
computed. This page is written by `scripts/settings_page.py`.

| setting | default | may be | meaning |
|---|---|---|---|"""


def rows(config: Any, prefix: str = "") -> Iterator[str]:
    """A row for every setting below a config."""
    meanings = meanings_of(type(config))
    for each in dataclasses.fields(config):
        value, name = getattr(config, each.name), f"{prefix}{each.name}"
        if dataclasses.is_dataclass(value):
            yield from rows(value, f"{name}.")
        else:
            allowed = allowed_of(each) or "true or false"
            yield f"| `{name}` | {_text(value)} | {allowed} | {meanings.get(each.name, '')} |"


def meanings_of(kind: type[Any]) -> dict[str, str]:
    """What the documentation of a configuration says of each setting."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        for name, text in _ATTRIBUTE.findall(base.__doc__ or ""):
            found[name] = re.sub(r"\s+", " ", text).replace("|", "\\|")
    return found


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_text, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def main() -> None:
    """Print the page."""
    print(_HEAD)
    for row in rows(PRESETS["medium"]):
        print(row)


if __name__ == "__main__":
    main()
