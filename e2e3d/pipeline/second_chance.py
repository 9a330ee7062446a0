"""A second chance for photographs that SIFT cannot join: learned matches with those that they probably overlap with.

Nothing of it runs unless it is asked for, and then only for photographs that the first mapping left out (ADR 33).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from e2e3d.config.learned import LearnedConfig, LearnedMatchingConfig
from e2e3d.data.features import Features, LearnedFeatures, MatchBlock
from e2e3d.data.photo import Photo
from e2e3d.data.ref import Ref
from e2e3d.data.scene import Mapping
from e2e3d.errors import ReconstructionError
from e2e3d.ops.matching import learned_pairs as second_chance
from e2e3d.ops.matching import xfeat
from e2e3d.ops.matching.match_blocks import plan_blocks
from e2e3d.pipeline.executor import Executor
from e2e3d.stages import learned_features, learned_matching
from e2e3d.stages.mapping import MAPPING_AGAIN

_TOO_LITTLE_MATCHED = frozenset({"no-features", "no-overlap", "too-little-overlap"})


def check_packages(config: LearnedConfig) -> None:
    """Make sure, before anything is computed, that what is asked for can be done.

    Raises:
        MachineError: ``missing-package`` where the second chance is asked for and its packages are not installed.
    """
    if config.enabled:
        xfeat.require_package()


MapCameras = Callable[[Sequence[Ref[Features]], Sequence[Ref[MatchBlock]], str | None], Ref[Mapping]]
"""Mapping of features and matches, as a pass of this name (None = the usual one)."""


def map_with_second_chance(
    photos: Sequence[Photo],
    found: Sequence[Ref[Features]],
    matches: Sequence[Ref[MatchBlock]],
    map_cameras: MapCameras,
    config: LearnedConfig,
    run: Executor,
) -> tuple[list[Ref[Features]], list[Ref[MatchBlock]], Ref[Mapping]]:
    """Map the photographs; where some are left out, match these with learned features too, and map again.

    Returns:
        The features and matches that the result rests on, and the result: the second one where it holds more
        photographs.

    Raises:
        MachineError: ``missing-package`` where the second chance is asked for and its packages are not installed.
        ReconstructionError: as mapping says, of the first attempt where the second fails as well.
    """
    if not config.enabled:
        return list(found), list(matches), map_cameras(found, matches, None)
    packages = xfeat.require_package()
    mapped, failure = _try_mapping(map_cameras, found, matches, None)
    left_out = _left_out(photos, mapped)
    if left_out:
        joined = _match_again(photos, found, matches, left_out, packages, config, run)
        if joined is not None:
            again, _ = _try_mapping(map_cameras, *joined, MAPPING_AGAIN)
            if again is not None and (mapped is None or _registered(again) > _registered(mapped)):
                return list(joined[0]), list(joined[1]), again
    if mapped is None:
        assert failure is not None
        raise failure
    return list(found), list(matches), mapped


def _try_mapping(
    map_cameras: MapCameras, found: Sequence[Ref[Features]], matches: Sequence[Ref[MatchBlock]], label: str | None
) -> tuple[Ref[Mapping] | None, ReconstructionError | None]:
    """The model; or the error, where photographs were matched too little for one."""
    try:
        return map_cameras(found, matches, label), None
    except ReconstructionError as error:
        if error.code not in _TOO_LITTLE_MATCHED:
            raise
        return None, error


def _left_out(photos: Sequence[Photo], mapped: Ref[Mapping] | None) -> list[int]:
    """Indices of the photographs that are not in the model."""
    registered = set() if mapped is None else {image.photo_index for image in mapped.load().scene.images}
    return [i for i in range(len(photos)) if i not in registered]


def _registered(mapped: Ref[Mapping]) -> int:
    return len(mapped.load().scene.images)


def _match_again(
    photos: Sequence[Photo],
    found: Sequence[Ref[Features]],
    matches: Sequence[Ref[MatchBlock]],
    left_out: Sequence[int],
    packages: tuple[str, ...],
    config: LearnedConfig,
    run: Executor,
) -> tuple[list[Ref[Features]], list[Ref[MatchBlock]]] | None:
    """Features and matches of both kinds; None where the learned ones join nothing."""
    blocks = (ref.load() for ref in matches)
    candidates = second_chance.candidates_of(left_out, len(photos), blocks, config.candidates)
    learned = _find_features(photos, sorted(set(left_out).union(*candidates.values())), packages, config, run)
    counts = _count_overlaps(learned, candidates, run)
    matcher = _Matcher(photos, found, learned, packages, config.matching, run)
    new = matcher.match(second_chance.likely_pairs(candidates, counts, config.neighbours), None)
    new += matcher.match(second_chance.closing_pairs(left_out, [ref.load() for ref in new]), "learned-matching 2")
    gathered = learned_matching.GatheringInputs(tuple(new))
    (kept,) = run.map(learned_matching.CONFIRMING_STAGE, [gathered], learned_matching.GatheringConfig())
    used = np.unique(kept.load().pairs).tolist()
    if not used:
        return None
    return _join_features(photos, found, learned, used, run), _merge(matches, kept, run)


def _find_features(
    photos: Sequence[Photo], indices: Sequence[int], packages: tuple[str, ...], config: LearnedConfig, run: Executor
) -> dict[int, Ref[LearnedFeatures]]:
    units = [
        learned_features.LearnedFeaturesInputs(
            Ref.blob(photos[i].sha256), None if (mask := photos[i].mask_sha256) is None else Ref.blob(mask), packages
        )
        for i in indices
    ]
    return dict(zip(indices, run.map(learned_features.STAGE, units, config.features), strict=True))


def _count_overlaps(
    learned: dict[int, Ref[LearnedFeatures]], candidates: dict[int, list[int]], run: Executor
) -> dict[int, np.ndarray[tuple[int, ...], np.dtype[np.int32]]]:
    units = [
        learned_features.OverlapInputs(learned[i], tuple(learned[j] for j in others))
        for i, others in candidates.items()
    ]
    counts = run.map(learned_features.OVERLAP_STAGE, units, learned_features.OverlapConfig())
    return {i: ref.load().counts for i, ref in zip(candidates, counts, strict=True)}


@dataclass(frozen=True)
class _Matcher:
    """Matches pairs of these photographs."""

    photos: Sequence[Photo]
    found: Sequence[Ref[Features]]
    learned: dict[int, Ref[LearnedFeatures]]
    packages: tuple[str, ...]
    config: LearnedMatchingConfig
    run: Executor

    def match(self, pairs: second_chance.Pairs, label: str | None) -> list[Ref[MatchBlock]]:
        """Verified matches of the pairs, a block a unit."""
        if len(pairs) == 0:
            return []
        units = [
            learned_matching.LearnedMatchingInputs(
                tuple((int(i), int(j)) for i, j in block),
                tuple(self._photo(int(i)) for i in np.unique(block)),
                self.packages,
            )
            for block in plan_blocks(pairs, len(self.photos))
        ]
        return self.run.map(learned_matching.STAGE, units, self.config, label)

    def _photo(self, i: int) -> learned_matching.LearnedPhoto:
        photo = self.photos[i]
        assert photo.camera is not None  # every usable photograph has a guess
        return learned_matching.LearnedPhoto(
            i, self.found[i], self.learned[i], photo.camera, photo.width_px, photo.height_px
        )


def _join_features(
    photos: Sequence[Photo],
    found: Sequence[Ref[Features]],
    learned: dict[int, Ref[LearnedFeatures]],
    used: Sequence[int],
    run: Executor,
) -> list[Ref[Features]]:
    """Features of all photographs, both kinds where learned ones are matched."""
    units = [
        learned_features.JoiningInputs(
            Ref.blob(photos[i].sha256), photos[i].width_px, photos[i].height_px, found[i], learned[i]
        )
        for i in used
    ]
    joined = list(found)
    results = run.map(learned_features.JOINING_STAGE, units, learned_features.JoiningConfig())
    for i, ref in zip(used, results, strict=True):
        joined[i] = ref
    return joined


def _merge(matches: Sequence[Ref[MatchBlock]], learned: Ref[MatchBlock], run: Executor) -> list[Ref[MatchBlock]]:
    """All matches, every pair once: blocks that share a pair with the learned ones are merged with them."""
    pairs = set(map(tuple, learned.load().pairs.tolist()))
    shared = [ref for ref in matches if not pairs.isdisjoint(map(tuple, ref.load().pairs.tolist()))]
    unit = learned_matching.GatheringInputs((learned,), tuple(shared))
    merged = run.map(learned_matching.MERGING_STAGE, [unit], learned_matching.GatheringConfig())
    return [ref for ref in matches if ref not in shared] + merged
