"""What comparing pairs before they are matched saves, and which pairs it misses.

usage: PYTHONPATH=. python benchmarks/pair_choice.py DATA WORK SET[@PRESET] [SET …]

DATA holds the sets, each with `images/`; WORK keeps artifacts. Every pair of a set is matched, and then those that are
chosen, whatever the size of the set. Printed are the pairs that verify and how many of them the choice holds, CPU
seconds from the features to the last match, and both models: their photographs, and how far apart their viewpoints are.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.presets import PRESETS
from e2e3d.data.features import MatchBlock
from e2e3d.data.ref import Ref
from e2e3d.ops.evaluation.camera_errors import camera_error
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.pipeline import check_photos, find_matches, map_cameras
from e2e3d.pipeline.sources.source_set import read_source
from e2e3d.storage.store import ArtifactStore

Pair = tuple[int, int]
Poses = dict[str, np.ndarray]
_BEFORE = ("ingest", "features")


@dataclasses.dataclass(frozen=True)
class Choice:
    """What was matched, with how many verified matches each, the CPU seconds, and cam_from_world by photograph."""

    verified: dict[Pair, int]
    cpu_s: float
    poses: Poses


def main() -> None:
    """Print a line of the table for each set."""
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    columns = ("set", "pairs: all, verify", "matched", "of those that verify", "missed have matches")
    columns += ("CPU s: all, chosen", "in the model", "viewpoints apart: median, largest")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
    for case in sys.argv[3:]:
        name, _, preset = case.partition("@")
        print(row(case, Path(sys.argv[1]) / name, Path(sys.argv[2]), PRESETS[preset or "medium"]), flush=True)


def row(case: str, folder: Path, work: Path, config: PipelineConfig) -> str:
    """The line of a set."""
    every, chosen = (matched(folder, work, config, up_to) for up_to in (2000, 0))
    verify = {pair for pair, count in every.verified.items() if count}
    missed = sorted(every.verified[pair] for pair in verify - chosen.verified.keys())
    cells = (
        case,
        f"{len(every.verified)}, {len(verify)}",
        f"{len(chosen.verified)}",
        f"{len(verify & chosen.verified.keys())} ({len(verify & chosen.verified.keys()) / len(verify):.2%})",
        ", ".join(map(str, missed)),
        f"{every.cpu_s:.1f}, {chosen.cpu_s:.1f}",
        f"{len(every.poses)}, {len(chosen.poses)}",
        apart(every.poses, chosen.poses),
    )
    return f"| {' | '.join(cells)} |"


def matched(folder: Path, work: Path, config: PipelineConfig, exhaustive_up_to: int) -> Choice:
    """Match and map a set."""
    config = dataclasses.replace(config, pairs=dataclasses.replace(config.pairs, exhaustive_up_to=exhaustive_up_to))
    run = InProcessExecutor(ArtifactStore(str(work / "store")), device="cpu")
    masks = folder / "masks"
    files = read_source(folder / "images", run, masks if masks.exists() else None, config.frames)
    photos = [photo for photo in check_photos(files, None, config, run) if photo.usable]
    found, blocks = find_matches(photos, False, config, run)
    cpu_s = sum(stats.cpu_s for stats in run.stats if stats.stage not in _BEFORE)
    mapped = map_cameras(photos, None, None, None, config, run, found, blocks).load()
    return Choice(verified_counts(blocks), cpu_s, {image.name: image.cam_from_world for image in mapped.scene.images})


def verified_counts(blocks: Sequence[Ref[MatchBlock]]) -> dict[Pair, int]:
    """How many matches of each pair that was matched were verified."""
    counts: dict[Pair, int] = {}
    for ref in blocks:
        block = ref.load()
        counts |= dict(zip(map(tuple, block.pairs.tolist()), np.diff(block.offsets).tolist(), strict=True))
    return counts


def apart(first: Poses, second: Poses) -> str:
    """Median and largest distance between two models' viewpoints after alignment, over the extent of the first."""
    error = camera_error(second, first)
    extent = np.ptp([-pose[:, :3].T @ pose[:, 3] for pose in first.values()], axis=0).max()
    return f"{error.position_median / extent:.3%}, {error.position_max / extent:.3%} of the extent"


if __name__ == "__main__":
    main()
