"""Writes RESULTS.md, the page of current figures, from the JSON files of benchmarks/current.

usage: python benchmarks/results_page.py [BENCH_JSON]

BENCH_JSON is what bench.py wrote; it becomes current/bench.json. The other files hold what the other benchmarks
printed, one file each: title, command, commit (the one that was measured, or where that is not known, the one that
recorded the figures), date, machine, columns and rows, and notes where a reader needs one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tables import reconstruction, stereo_kernels

HERE = Path(__file__).parent
# The order of the page. A file that is not named here is a mistake, and the test says so.
OTHERS = (
    "presets",
    "gpu",
    "judgement",
    "damage",
    "hostile_files",
    "service",
    "outages",
    "fairness",
    "hostile_clients",
    "scale",
    "overhead",
    "parts",
    "faults",
)
_HEAD = """# Results

The current figures, each with the command that prints it. `python benchmarks/results_page.py` writes this page from
[current](current); earlier figures, and what each technique gave, are in [history](history), by date. CPU and memory
(PSS) are of all processes together, Ray's included. **E** = CPU seconds of `pycolmap.extract_features` at
max_image_size 1600 on the same photographs in the same run: the unit that makes machines comparable.
"""
_CONFIDENCE = """![Precision of the twin's cloud against confidence](../docs/images/confidence.svg)

Confidence is the chance of lying within two pixels; the dashed line is where it equals the precision.
"""


def page(folder: Path = HERE / "current") -> str:
    """The whole page."""
    bench = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    parts = [_HEAD, "## Reconstruction: `make bench`\n", reconstruction(bench)]
    if "note" in bench:
        parts.append(f"{bench['note']}\n")
    parts += [stereo_kernels(bench), _CONFIDENCE]
    parts += [section(json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))) for name in OTHERS]
    return "\n".join(parts)


def section(figures: dict[str, Any]) -> str:
    """One benchmark: where its figures come from, then its table."""
    lines = [
        f"## {figures['title']}",
        "",
        f"`{figures['command']}` at {figures['commit']}, {figures['date']}; {figures['machine']}.",
        *figures.get("notes", ()),
        "",
        _row(figures["columns"]),
        "|---" * len(figures["columns"]) + "|",
        *(_row(row) for row in figures["rows"]),
        "",
    ]
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Write the page, with new figures of the benchmark where they are given."""
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    if len(sys.argv) == 2:
        (HERE / "current" / "bench.json").write_text(Path(sys.argv[1]).read_text(encoding="utf-8"), encoding="utf-8")
    (HERE / "RESULTS.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
