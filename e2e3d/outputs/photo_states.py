"""What became of each photograph, in words for the person who took it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from e2e3d.data.photo import Photo
from e2e3d.data.scene import Mapping

_NOTEWORTHY = 0.02  # share of still matches


@dataclass(frozen=True)
class PhotoState:
    """The fate of one photograph.

    Attributes:
        state: ``registered`` (part of the model), ``left_out`` (readable, but no place was found for it) or
            ``rejected`` (a check kept it out).
        code: stable identifier of the reason; empty when registered.
        reason: the reason and what to do about it; empty when registered.
        remarks: findings of the checks that did not keep it out, of the calibration of its camera and its GPS position,
            what of it was left out, and whether it contradicts the model.
    """

    name: str
    sha256: str
    width_px: int
    height_px: int
    state: str
    code: str = ""
    reason: str = ""
    remarks: tuple[str, ...] = ()


def photo_states(photos: Sequence[Photo], mapping: Mapping) -> tuple[PhotoState, ...]:
    """The state of every photograph, in input order."""
    registered = {image.name for image in mapping.scene.images}
    left_out = {entry.name: (entry.code, entry.reason) for entry in mapping.left_out}
    remarks = _mapping_remarks([photo.name for photo in photos if photo.usable], mapping)
    return tuple(_state(photo, registered, left_out, remarks.get(photo.name, ())) for photo in photos)


def _mapping_remarks(usable: Sequence[str], mapping: Mapping) -> dict[str, tuple[str, ...]]:
    """Of the registered photographs: what stands still in them, which contradict the model, their lenses and GPS."""
    contradicting = {photo.name for photo in mapping.agreement if photo.contradicts}
    shares = dict(zip(usable, mapping.still.shares.tolist(), strict=True)) if mapping.still else {}
    remarks = {}
    for image in mapping.scene.images:
        share, found = shares.get(image.name, 0.0), []
        if share > _NOTEWORTHY:
            found.append(f"{100 * share:.0f} % of its matches stand still in the image and were left out.")
        if image.name in contradicting:
            found.append("It contradicts what the others show from about its place; the model may be wrong there.")
        found += [remark.message for remark in mapping.remarks if image.name in remark.photographs]
        remarks[image.name] = tuple(found)
    return remarks


def _state(
    photo: Photo, registered: set[str], left_out: dict[str, tuple[str, str]], more_remarks: tuple[str, ...]
) -> PhotoState:
    fatal = [problem for problem in photo.problems if problem.fatal]
    remarks = tuple(problem.message for problem in photo.problems if not problem.fatal) + more_remarks
    if photo.name in registered:
        state, code, reason = "registered", "", ""
    elif fatal:
        state, code, reason = "rejected", fatal[0].code, " ".join(problem.message for problem in fatal)
    else:
        state = "left_out"
        code, reason = left_out.get(photo.name, ("unexplained", "No place was found for it in the model."))
    return PhotoState(photo.name, photo.sha256, photo.width_px, photo.height_px, state, code, reason, remarks)
