"""Why a photograph, or a whole set, could not be reconstructed, in words that a photographer can act on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from e2e3d.data.agreement import PhotoAgreement, StillParts
from e2e3d.data.photo import Photo
from e2e3d.data.scene import LeftOut
from e2e3d.errors import ReconstructionError
from e2e3d.ops.matching.match_graph import MatchGraph

FEW_FEATURES = 200
_BLUR_RATIO = 0.25
_NAMED_NEIGHBOURS = 3
_MIN_MODEL = 3
_MOST = 0.5
_LITTLE_LEFT = ("too-few-features", "no-overlap", "weak-overlap")
_STILL_HINT = (
    "Where the subject was turned before a camera on a tripod, use a plain background, draw masks of the subject, or "
    "walk around it instead; cover or crop away what is printed on the pictures."
)


def explain_left_out(
    photos: Sequence[Photo],
    feature_counts: Sequence[int],
    graph: MatchGraph,
    registered: frozenset[int],
    component_of: dict[int, int],
    contradicting: Sequence[PhotoAgreement] = (),
    still: StillParts | None = None,
) -> tuple[LeftOut, ...]:
    """One reason for every photograph that is not in the model.

    Args:
        photos: the usable photographs.
        feature_counts: keypoints found in each.
        graph: verified matches between them.
        registered: indices of the photographs in the model.
        component_of: size of the largest other component that holds a photograph, for those in one.
        contradicting: photographs that were taken out of the model because it contradicts them.
        still: what was left out because it stands still in the image.
    """
    against = {photo.photo_index: photo for photo in contradicting}
    usual_sharpness = float(np.median([photo.sharpness for photo in photos]))
    reasons = []
    for i, photo in enumerate(photos):
        if i in against:
            reasons.append(LeftOut(photo.name, "contradicts-model", _contradiction(against[i])))
        elif i not in registered:
            blurred = photo.sharpness < _BLUR_RATIO * usual_sharpness
            code, reason = _reason(i, photos, feature_counts[i], graph, blurred, component_of.get(i))
            if still is not None and still.shares[i] > _MOST and code in _LITTLE_LEFT:
                code, reason = "stands-still", _still_reason(float(still.shares[i]))
            reasons.append(LeftOut(photo.name, code, reason))
    return tuple(reasons)


def _reason(
    index: int,
    photos: Sequence[Photo],
    features: int,
    graph: MatchGraph,
    blurred: bool,
    component_size: int | None,
) -> tuple[str, str]:
    if component_size is not None:
        return "other-component", (
            f"It belongs to a separate model of {component_size} photographs that does not connect to the main one. "
            "Take photographs in between, each overlapping the next by two thirds."
        )
    neighbours = graph.neighbours(index)
    if blurred:
        return "blurred", (
            "It is much less sharp than the others. Take it again with a shorter exposure, or hold the camera still."
        )
    if features < FEW_FEATURES:
        return "too-few-features", (
            f"Only {features} distinctive points were found in it. Plain, shiny or dark surfaces have none: show more "
            "of the surroundings, or improve the light."
        )
    if not neighbours:
        return "no-overlap", (
            "It shows nothing that another photograph shows from a similar direction. Take photographs in between, "
            "each overlapping the next by two thirds."
        )
    named = [f"{photos[other].name} ({count} matches)" for other, count in neighbours[:_NAMED_NEIGHBOURS]]
    more = f" and {len(neighbours) - len(named)} more" if len(neighbours) > len(named) else ""
    return "weak-overlap", (
        f"It matched only {', '.join(named)}{more}, too little to tell where it was taken from. Take more photographs "
        "around it."
    )


def _contradiction(photo: PhotoAgreement) -> str:
    return (
        f"It contradicts the place that its matches give it: {100 * photo.agreeing_share:.0f} % of its {photo.matches} "
        f"matches fit there, and it shows {100 * photo.seen_share:.0f} % of the {photo.expected} points that it should "
        "see. It may be mirrored, or show another place that looks the same, or the place at another time: leave it "
        "out, or add photographs that join it to the others."
    )


def _still_reason(share: float) -> str:
    return f"{100 * share:.0f} % of its matches stand still in the image, and what is left is too little. {_STILL_HINT}"


def mostly_still(still: StillParts | None) -> bool:
    """Whether most matches of most photographs stand still."""
    return still is not None and float(np.median(still.shares)) > _MOST


def stands_still_error() -> ReconstructionError:
    """Nearly all matches stand still, and what moves before them was not enough."""
    return ReconstructionError(
        "stands-still",
        "Most matches stand still in the image, as a fixed background does, a mark in the picture, or dirt on the "
        "lens, and what moves shows too little to be put together.",
        _STILL_HINT,
    )


def explain_failure(
    feature_counts: Sequence[int], motions: Sequence[str], still: StillParts | None = None
) -> ReconstructionError:
    """The error to raise when no model of at least three photographs was found.

    Args:
        feature_counts: keypoints found in each photograph.
        motions: of every pair with verified matches, as :func:`~e2e3d.ops.matching.match_graph.pair_motions` gives
        them.
        still: what was left out because it stands still in the image.
    """
    if mostly_still(still):
        return stands_still_error()
    plain = sum(count < FEW_FEATURES for count in feature_counts)
    if plain > len(feature_counts) / 2:
        return ReconstructionError(
            "no-features",
            f"{plain} of {len(feature_counts)} photographs show almost nothing that can be recognised again.",
            "Plain walls, shiny and dark surfaces have no distinctive points: show textured surroundings, improve the "
            "light, or focus.",
        )
    if not motions:
        return ReconstructionError(
            "no-overlap",
            "No two photographs show the same thing from similar directions.",
            "Take many photographs of one subject, each overlapping the one before by two thirds.",
        )
    unmoved = sum(motion == "still" for motion in motions)
    turned = sum(motion == "rotation" for motion in motions)
    if unmoved > len(motions) / 2:
        return ReconstructionError(
            "identical-photographs",
            "The photographs are the same picture over and over.",
            "Move the camera between photographs: a few steps sideways around the subject.",
        )
    if unmoved + turned > len(motions) / 2:
        return pure_rotation_error()
    return ReconstructionError(
        "too-little-overlap",
        f"The photographs overlap too little: no {_MIN_MODEL} of them could be put together.",
        "Take more photographs, each overlapping the one before by two thirds, and move between them.",
    )


def pure_rotation_error() -> ReconstructionError:
    """The camera stayed in one place, so that depth is not determined."""
    return ReconstructionError(
        "pure-rotation",
        "The camera turned in one place, which shows no depth.",
        "Walk around the subject, or along it, and take photographs from different places.",
    )
