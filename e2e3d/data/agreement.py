"""What contradicts the model: keypoints that stand still in the image, and photographs that others disagree with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEW_FIT = 0.7
"""Share of a photograph's matches below which they contradict its place."""


@dataclass(frozen=True, eq=False)
class StillRegions:
    """The part of each photograph that stands still where hardly anything else was matched.

    Attributes:
        still_share: share of the matched pairs whose matches stand still for the most part.
        masks: bool [rows, columns] of cells of each usable photograph, over its whole picture; True = stands still.
    """

    still_share: float
    masks: tuple[NDArray[np.bool_], ...]

    @property
    def found(self) -> bool:
        """Whether anything stands still."""
        return any(bool(mask.any()) for mask in self.masks)


@dataclass(frozen=True, eq=False)
class StillParts:
    """What was left out of a set because it stands still in the image while the subject moves.

    Attributes:
        photo_index: int32 [N], usable photograph of each still keypoint, sorted.
        positions_px: float32 [N, 2], of the keypoints in the full photograph.
        shares: float32 [photographs], the share of each usable photograph's matches that stands still.
        masks: as in :class:`StillRegions`; empty where keypoints are all there is.
    """

    photo_index: NDArray[np.int32]
    positions_px: NDArray[np.float32]
    shares: NDArray[np.float32]
    masks: tuple[NDArray[np.bool_], ...] = ()


@dataclass(frozen=True)
class PhotoAgreement:
    """How well one photograph's place agrees with what the others predict of it.

    Attributes:
        photo_index: its index into the usable photographs; `name` its name.
        matches: verified matches with other registered photographs; `agreeing_share` the share of them that fits the
            poses of the model.
        expected: points that its neighbours saw from about there, which it should see as well; `seen_share` the share
            of them that it observes.
        contradicts: the verdict. Such photographs are taken out of the model, unless they are more than a third of it.
    """

    photo_index: int
    name: str
    matches: int
    agreeing_share: float
    expected: int
    seen_share: float
    contradicts: bool

    @property
    def matches_fit(self) -> bool:
        """Whether its matches fit: what contradicts the model then is what it does not show."""
        return self.agreeing_share >= FEW_FIT
