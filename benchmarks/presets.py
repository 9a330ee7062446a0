"""The presets' table of RESULTS.md: time, CPU, memory, faces and quality of each on three sets.

usage: python benchmarks/presets.py DATA OUT [SET ...] [--presets preview,low,...]

DATA holds the sets; default are strecha_fountain_p11, axe and saharov32. Results and one JSON line a run go to OUT;
a run whose line is there is not repeated, so the table can be measured in several sittings.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from figures import run, scores

from e2e3d.config.presets import PRESETS

SETS = ("strecha_fountain_p11", "axe", "saharov32")


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--presets", default=",".join(PRESETS))
    arguments = parser.parse_args()
    missing = [name for name in arguments.sets if not (arguments.data / name / "images").is_dir()]
    if missing:
        sys.exit(f"{arguments.data} lacks the photographs of {', '.join(missing)} (NAME/images).")
    lines = arguments.out / "presets.jsonl"
    arguments.out.mkdir(parents=True, exist_ok=True)
    known = [json.loads(line) for line in lines.read_text().splitlines()] if lines.is_file() else []
    for preset in arguments.presets.split(","):
        for name in arguments.sets:
            if not any((entry["set"], entry["preset"]) == (name, preset) for entry in known):
                known.append(measured(arguments.data / name, arguments.out / f"{name}-{preset}", preset))
                lines.write_text("".join(json.dumps(entry) + "\n" for entry in known))
    print("\n".join(table(known)))


def measured(folder: Path, out: Path, preset: str) -> dict[str, Any]:
    """One run from nothing, and its rephotography."""
    print(f"-- {folder.name} at {preset}", file=sys.stderr, flush=True)
    shutil.rmtree(out, ignore_errors=True)
    cost = run(folder, out, ["--quality", preset])
    entry: dict[str, Any] = {"set": folder.name, "preset": preset, "exit_code": cost.exit_code}
    entry |= {"wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "peak_pss_bytes": cost.peak_pss_bytes}
    if cost.exit_code == 0:
        manifest = json.loads((out / "manifest.json").read_text())
        entry["counts"] = manifest["counts"]
        entry["stages"] = {stage["stage"]: stage["cpu_s"] for stage in manifest["stages"]}
        entry["rephotography"] = scores(folder, out)["rephotography"]
    return entry


def table(entries: list[dict[str, Any]]) -> list[str]:
    """Markdown: one line a preset and set."""
    lines = [
        "| preset | set | time | CPU | memory | points | faces | rephotography |",
        "|---|---|---|---|---|---|---|---|",
    ]
    order = {preset: i for i, preset in enumerate(PRESETS)}
    for entry in sorted(entries, key=lambda entry: (order[entry["preset"]], entry["set"])):
        head = f"| {entry['preset']} | {entry['set']} | {entry['wall_s']:.0f} s | {entry['cpu_s']:.0f} s"
        head += f" | {entry['peak_pss_bytes'] / 1e9:.1f} GB"
        if entry["exit_code"] != 0:
            lines.append(f"{head} | failed with exit code {entry['exit_code']} | | |")
            continue
        counts, score = entry["counts"], entry["rephotography"]
        quality = f"{score['score']:.3f} ({score['coverage']:.3f} x {score['ncc']:.3f})"
        lines.append(f"{head} | {counts['dense_points'] / 1e6:.2f} M | {counts['faces']:,} | {quality} |")
    return lines


if __name__ == "__main__":
    main()
