"""Matches of two photographs, those that verification rejected included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pycolmap
from numpy.typing import NDArray

from e2e3d.data.features import Features
from e2e3d.errors import InputError
from e2e3d.inspection.run_records import RunRecords
from e2e3d.ops.matching.descriptor_matching import DescriptorSet, mutual_matches
from e2e3d.ops.matching.match_blocks import matches_of
from e2e3d.runtime.threads import core_count
from e2e3d.stages.plugin_adapters import PhotoFeatures, PluginConfig, propose_matches
from e2e3d.stages.plugin_stage import PluginStage
from e2e3d.stages.stage import RunContext


@dataclass(frozen=True, eq=False)
class PairMatches:
    """Matches of a pair of photographs.

    Attributes:
        first, second: names of the photographs.
        indices: uint32 [M, 2], keypoints of the first and second one.
        points1_px, points2_px: float32 [M, 2], where they are in the full photographs.
        inlier: bool [M], whether the match was verified; all are, unless rejected ones were asked for.
        candidates: how many matches stood before verification.
        configuration: COLMAP's name of how the two views relate, such as ``CALIBRATED`` or ``PLANAR``.
        E, F, H: float64 [3, 3], essential and fundamental matrix and homography from the first to the second
            photograph; zeros where not estimated.
    """

    first: str
    second: str
    indices: NDArray[np.uint32]
    points1_px: NDArray[np.float32]
    points2_px: NDArray[np.float32]
    inlier: NDArray[np.bool_]
    candidates: int
    configuration: str
    E: NDArray[np.float64]
    F: NDArray[np.float64]
    H: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        verified = int(self.inlier.sum())
        return (
            f"PairMatches({self.first}, {self.second}: {verified} of {self.candidates} verified, {self.configuration})"
        )


def pair_matches(records: RunRecords, first: str, second: str, outliers: bool = False) -> PairMatches:
    """Matches of two photographs of a run, in the order in which they are named.

    Args:
        records: of the run.
        first: name of a photograph.
        second: name of another one.
        outliers: also those that verification rejected. They are not kept by a run: the matcher runs again.

    Raises:
        InputError: ``unknown-photograph``, ``photo-not-used``, or ``not-matched`` for a pair that was not chosen,
            ``own-matcher`` for rejected matches of a :class:`Stage` of one's own.
        SettingsError: where the run's own matcher is not at hand, as
            :meth:`~e2e3d.inspection.used_plugins.UsedPlugins.of`.
    """
    places = records.place(first), records.place(second)
    swapped = places[0] > places[1]
    pair = (places[1], places[0]) if swapped else places
    if pair not in records.pair_places:
        raise InputError(
            "not-matched", f"{first} and {second} were not compared with each other.", "Pairs are chosen by the run."
        )
    number, p = records.pair_places[pair]
    block = records.block(number)
    features = records.results.features[pair[0]].load(), records.results.features[pair[1]].load()
    verified = matches_of(block, p)
    indices = np.concatenate([verified, _rejected(records, pair, features, verified)]) if outliers else verified
    inlier = np.arange(len(indices)) < len(verified)
    points = [values.keypoints_px[indices[:, side], :2] for side, values in enumerate(features)]
    E, F, H = block.matrices[p]
    if swapped:
        indices, points = indices[:, ::-1], points[::-1]
        E, F, H = E.T, F.T, np.linalg.inv(H) if H.any() else H
    return PairMatches(
        first=first,
        second=second,
        indices=indices,
        points1_px=points[0],
        points2_px=points[1],
        inlier=inlier,
        candidates=int(block.candidates[p]),
        configuration=pycolmap.TwoViewGeometryConfiguration(int(block.configurations[p])).name,
        E=E,
        F=F,
        H=H,
    )


def _rejected(
    records: RunRecords, pair: tuple[int, int], features: tuple[Features, Features], verified: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """What the matcher found that is not among the verified matches, uint32 [N, 2]."""
    matcher = records.plugins.of("matching").stages.get("matching")
    if matcher is None:
        found = _compared(records, features)
    elif isinstance(matcher, PluginStage):
        sides = [
            PhotoFeatures(one.keypoints_px, one.descriptors, photo.width_px, photo.height_px)
            for one, photo in zip(features, (records.usable[place] for place in pair), strict=True)
        ]
        config = PluginConfig(records.config.matching, matcher.source, matcher.settings)
        found = propose_matches(matcher.adapted, sides[0], sides[1], config, RunContext(threads=core_count()))
    else:
        raise InputError("own-matcher", f"{matcher.name} says only which matches it verified.", "Leave out outliers.")
    known = set(map(tuple, verified.tolist()))
    return np.array([match for match in found.tolist() if tuple(match) not in known], np.uint32).reshape(-1, 2)


def _compared(records: RunRecords, features: tuple[Features, Features]) -> NDArray[np.uint32]:
    """Mutual nearest neighbours."""
    config = records.config.matching
    first, second = (DescriptorSet(one.descriptors, "cpu") for one in features)
    return mutual_matches(first, second, config.max_ratio, config.max_distance_rad)
