"""Weighs the signs of a finished run: which of them are evidence against the model.

Each sign has a limit of its own, and one that is beyond it makes the model doubtful: the signs see different faults, so
that a sum of them would only dilute what one sees clearly. The limits are calibrated by ``benchmarks/judgement.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from e2e3d.data.judgement import DOUBTFUL, GOOD, Judgement, JudgementSigns, Reason

LEAST_REGISTERED = 0.7
_PART = 0.25
_NAMED = 5

_MOVE = "Take more photographs around the subject, each overlapping the one before by two thirds."
_SAME_SUBJECT = (
    "Look at the report's pictures of the model, and leave out what does not belong: edited or damaged files."
)
_LACKING = (
    "Mirrored pictures, the other of two equal sides of a building, or the place at another time look like that: "
    "reconstruct them alone, or leave them out."
)
_ONE_LENS = "Use uncropped, unedited originals with their EXIF, taken with one zoom setting, or give intrinsics."


@dataclass(frozen=True)
class SignLimit:
    """How far a sign may go.

    Attributes:
        sign: attribute of :class:`~e2e3d.data.judgement.JudgementSigns`.
        label: what it measures, for the report.
        least: it must not be below, or `most`: above; the other one is None.
        code: of the reason; `message` has a place for the value, `action` says what to do.
    """

    sign: str
    label: str
    least: float | None
    most: float | None
    code: str
    message: str
    action: str

    def allows(self, value: float) -> bool:
        """Whether a value is within the limit."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


LIMITS = (
    SignLimit(
        "agreeing_held_back",
        "matches not used in the adjustment that agree with the cameras",
        0.9,
        None,
        "matches-disagree",
        "Of the matches that were held back from the adjustment, at most {:.0%} agree with the cameras.",
        _ONE_LENS,
    ),
    SignLimit(
        "disagreeing_pairs",
        "pairs of photographs of which most matches disagree with the cameras",
        None,
        0.1,
        "pairs-disagree",
        "{:.0%} of the matching pairs of photographs disagree with the cameras.",
        _SAME_SUBJECT,
    ),
    SignLimit(
        "cross_view_ncc",
        "correlation of photographs moved onto each other over the surface",
        0.5,
        None,
        "photographs-disagree",
        "What two photographs show of the surface does not match (correlation {:.2f}): the surface or the cameras are "
        "wrong.",
        _SAME_SUBJECT,
    ),
    SignLimit(
        "rephotography_ncc",
        "correlation of photographs with the textured model",
        0.35,
        None,
        "model-looks-different",
        "The model does not look like the photographs from their own viewpoints (correlation {:.2f}).",
        _SAME_SUBJECT,
    ),
    SignLimit(
        "points_on_surface",
        "sparse points that lie on the surface",
        0.7,
        None,
        "surface-incomplete",
        "Only {:.0%} of the points that photographs have in common lie on the surface: much of it is missing or wrong.",
        _MOVE,
    ),
    SignLimit(
        "error_ratio",
        "reprojection error in pixels, of photographs at most 1000 pixels long",
        None,
        0.5,
        "imprecise",
        "Points lie {:.1f} pixels (of photographs at most 1000 pixels long) from where photographs show them.",
        "Keep zoom and focus fixed, avoid blur, let nothing move, and stand still for each photograph: most sensors "
        "read line after line, and bend what moves.",
    ),
    SignLimit(
        "focal_ratio",
        "factor between focal length and EXIF",
        None,
        1.5,
        "focal-differs",
        "The focal length found differs by a factor of {:.2f} from the one that the photographs state.",
        "Photographs from more directions tell the focal length; for edited ones, give intrinsics.",
    ),
    SignLimit(
        "distortion",
        "distortion of the lens at the border, of half the diagonal",
        None,
        0.25,
        "lens-distortion",
        "The lens would bend the border of the photographs by {:.0%} of half their diagonal.",
        f"Fisheye lenses do: then the model may be right, if its straight edges are straight. {_ONE_LENS}",
    ),
    SignLimit(
        "principal_shift",
        "shift of the optical centre, of the longer side",
        None,
        0.1,
        "off-centre",
        "The optical centre lies {:.0%} of the longer side from the middle, as in cropped photographs.",
        _ONE_LENS,
    ),
    SignLimit(
        "triangulation_angle_deg",
        "angle between the rays of a point",
        3.0,
        None,
        "small-angles",
        "Points are seen from directions that differ by only {:.1f}°: depth is uncertain.",
        "Move farther between photographs.",
    ),
    SignLimit(
        "parallel_relief",
        "thickness of the points over their distance, where all views are exactly parallel",
        0.003,
        None,
        "no-depth",
        "All photographs look in exactly the same direction, at something as flat as a picture ({:.1%} of its "
        "distance): they may be parts cut from one photograph, which show no depth.",
        "Give whole photographs from different places. A flat subject that was really photographed so is fine.",
    ),
    SignLimit(
        "weakest_link",
        "points shared at the weakest place",
        1,
        None,
        "weakly-joined",
        "Parts of the model share no point: nothing holds them together.",
        _MOVE,
    ),
    SignLimit(
        "gps_error_ratio",
        "error against GPS, of the spread of the positions",
        None,
        0.15,
        "gps-disagrees",
        "Cameras miss their GPS positions by {:.0%} of the spread of these.",
        "Check the positions in the photographs; with poor ones, give a scale or a known distance instead.",
    ),
    SignLimit(
        "view_elevation_deg",
        "viewing directions above the horizon",
        None,
        50.0,
        "looks-at-the-sky",
        "The photographs look {:.0f}° up into the sky: the model probably hangs upside down.",
        "Check the GPS positions in the photographs: letters N, S, E, W and the order of latitude and longitude.",
    ),
)


def weigh(signs: JudgementSigns) -> Judgement:
    """The verdict, and a reason for every sign against the model, the strongest first."""
    reasons = []
    for limit in LIMITS:
        value = getattr(signs, limit.sign)
        if value is not None and not limit.allows(value):
            reasons.append(Reason(limit.code, limit.message.format(value), limit.action))
    reasons += _reasons_of_photographs(signs)
    return Judgement(DOUBTFUL if reasons else GOOD, tuple(reasons), signs)


def _reasons_of_photographs(signs: JudgementSigns) -> list[Reason]:
    reasons = []
    if signs.disagreeing_photographs:
        text = f"Most matches of {_names(signs.disagreeing_photographs)} disagree with the cameras."
        reasons.append(Reason("photographs-contradict", text, "Leave these photographs out, or take them again."))
    elif signs.lacking_photographs:
        text = (
            f"{_names(signs.lacking_photographs)} lie among the others, and do not show what those see from there: one "
            "of the two is in the wrong place."
        )
        reasons.append(Reason("photographs-contradict", text, _LACKING))
    if signs.registered < LEAST_REGISTERED * signs.photographs:
        text = f"Only {signs.registered} of {signs.photographs} photographs are part of the model."
        reasons.append(Reason("few-registered", text, "The report says why each of the others is not."))
    if signs.other_component >= max(3, _PART * signs.registered):
        text = f"{signs.other_component} photographs form a model of their own that does not connect to this one."
        reasons.append(Reason("separate-parts", text, "Take photographs that bridge the parts."))
    return reasons


def _names(photographs: Sequence[str]) -> str:
    more = len(photographs) - _NAMED
    return ", ".join(photographs[:_NAMED]) + (f" and {more} more" if more > 0 else "")
