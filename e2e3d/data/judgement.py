"""What a finished reconstruction is worth: a verdict, the reasons for doubt, and the signs that both rest on."""

from __future__ import annotations

import html
from dataclasses import dataclass, field, fields

GOOD, DOUBTFUL, FAILED = "good", "doubtful", "failed"


@dataclass(frozen=True)
class JudgementSigns:
    """Independent measurements of a finished reconstruction; None = there was nothing to measure it by.

    Attributes:
        photographs: those that came in, without copies and thumbnails; `registered` those in the model.
        other_component: photographs in the largest part that does not connect to the model.
        weakest_link: points shared by the two photographs that hold the model together at its weakest place.
        points_a_photograph: sparse points seen by the photograph that sees fewest.
        triangulation_angle_deg: median over the sparse points of the widest angle between two of their rays.
        error_ratio: median reprojection error in pixels, of photographs shrunk to 1000 pixels where they are larger.
        focal_ratio: largest factor between a focal length and the one that EXIF states, at least 1; without the
            photographs of which the matches tell that EXIF is wrong.
        distortion: farthest move of a border pixel by a lens, as a share of half the diagonal.
        principal_shift: distance of a principal point from the middle, as a share of the longer side, in photographs
            that do not look cropped.
        parallel_relief: thickness of the sparse points over their distance where all photographs have exactly the same
            direction; None where they do not.
        agreeing_matches: share of the verified matches that agree with the final cameras.
        agreeing_held_back: the same for matches that the adjustment did not use, of pairs that mostly agree; the upper
            end of what their number allows.
        disagreeing_pairs: share of the matched pairs of which most matches disagree.
        disagreeing_photographs: photographs of which most matches disagree.
        lacking_photographs: other photographs that do not show what those around them see from there.
        rephotography_ncc: correlation of photographs with the textured model seen from their place, in [-1, 1].
        cross_view_ncc: correlation of photographs with what others show of the same surface, in [-1, 1].
        points_on_surface: share of the sparse points that lie on the mesh, seen from a photograph.
        gps_positions: photographs with a position.
        gps_error_ratio: error of the fit to them as a share of the spread of the cameras, without heights of no use.
        view_elevation_deg: median angle of the viewing directions above the horizon, where the frame has an up.
    """

    photographs: int
    registered: int
    other_component: int = 0
    weakest_link: int | None = None
    points_a_photograph: int | None = None
    triangulation_angle_deg: float | None = None
    error_ratio: float | None = None
    focal_ratio: float | None = None
    distortion: float | None = None
    principal_shift: float | None = None
    parallel_relief: float | None = None
    agreeing_matches: float | None = None
    agreeing_held_back: float | None = None
    disagreeing_pairs: float | None = None
    disagreeing_photographs: tuple[str, ...] = ()
    lacking_photographs: tuple[str, ...] = ()
    rephotography_ncc: float | None = None
    cross_view_ncc: float | None = None
    points_on_surface: float | None = None
    gps_positions: int = 0
    gps_error_ratio: float | None = None
    view_elevation_deg: float | None = None


@dataclass(frozen=True)
class Reason:
    """Why a model is doubted: a stable code, what was seen, and what to do about it."""

    code: str
    message: str
    action: str


@dataclass(frozen=True)
class Judgement:
    """`verdict` is ``good``, ``doubtful`` (with at least one reason) or ``failed`` (there is no model)."""

    verdict: str
    reasons: tuple[Reason, ...] = ()
    signs: JudgementSigns | None = field(default=None)

    def __repr__(self) -> str:
        because = f" because of {', '.join(reason.code for reason in self.reasons)}" if self.reasons else ""
        return f"Judgement({self.verdict}{because})"

    def _repr_html_(self) -> str:
        """The verdict, the reasons, and every sign that there was something to measure by."""
        reasons = "".join(f"<li>{html.escape(f'{each.message} {each.action}')}</li>" for each in self.reasons)
        measured = {} if self.signs is None else {f.name: getattr(self.signs, f.name) for f in fields(self.signs)}
        rows = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td style='text-align:left'>{_text(value)}</td></tr>"
            for name, value in measured.items()
            if value not in (None, ())
        )
        return f"<b>{html.escape(self.verdict)}</b><ul>{reasons}</ul><table>{rows}</table>"


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return html.escape(", ".join(value) if isinstance(value, tuple) else str(value))
