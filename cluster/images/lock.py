"""Write the lock file of the image: ``python cluster/images/lock.py > cluster/images/lock.txt``.

Names every distribution that E2E3D and its extras `learned` and `tracing` need, with the version that is installed
beside this interpreter: those that the tests ran with. What only the image's Python needs has to be installed here
first, and a version that it cannot install is refused: add an older one to constraints.txt. NVIDIA's libraries, which
the CUDA image has beside them, are fixed by what asks for them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

EXTRAS = {"e2e3d": ("learned", "tracing")}
IMAGE_PYTHON = "3.11.2"
"""That of Debian 12, which the image has."""


def main() -> None:
    """Print the lock file."""
    found = closure()
    if refused := [name for name in sorted(found) if not runs_in_image(name)]:
        sys.exit(f"Python {IMAGE_PYTHON} cannot install these versions: {', '.join(refused)}")
    lines = [f"{name}=={version}" for name, version in sorted(found.items())]
    sys.stdout.write("\n".join(["# Made by cluster/images/lock.py from what the tests ran with.", *lines, ""]))


def closure() -> dict[str, str]:
    """Versions by name of everything that is needed, the project itself excepted; builds (``+cpu``) are not named."""
    found: dict[str, str] = {}
    waiting: list[tuple[str, str]] = [("e2e3d", extra) for extra in ("", *EXTRAS["e2e3d"])]
    done = set()
    while waiting:
        asked = waiting.pop()
        if asked in done:
            continue
        done.add(asked)
        name, extra = asked
        found[name] = metadata.version(name).partition("+")[0]
        waiting += needs(name, extra)
    del found["e2e3d"]
    return found


def runs_in_image(name: str) -> bool:
    """Whether the installed version of a distribution can be installed in the image."""
    asked = metadata.metadata(name).get("Requires-Python")
    return asked is None or SpecifierSet(asked).contains(IMAGE_PYTHON)


def needs(name: str, extra: str) -> Iterator[tuple[str, str]]:
    """What a distribution needs here, with an extra of its own or without ("")."""
    for line in metadata.requires(name) or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(
            {"extra": extra, "python_full_version": IMAGE_PYTHON}
        ):
            needed = re.sub(r"[-_.]+", "-", requirement.name).lower()
            yield from ((needed, wanted) for wanted in ("", *requirement.extras))


if __name__ == "__main__":
    main()
