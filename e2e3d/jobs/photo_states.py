"""What became of each photograph, in words for the person who took it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from e2e3d.data.photo import Photo
from e2e3d.data.scene import FrameRemark, Mapping


@dataclass(frozen=True)
class PhotoState:
    """The fate of one photograph.

    Attributes:
        state: ``registered`` (part of the model), ``left_out`` (readable, but no place was found for it) or
            ``rejected`` (a check kept it out).
        code: stable identifier of the reason; empty when registered.
        reason: the reason and what to do about it; empty when registered.
        remarks: findings of the checks that did not keep it out, and of its GPS position.
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
    return tuple(_state(photo, registered, left_out, mapping.scene.remarks) for photo in photos)


def _state(
    photo: Photo, registered: set[str], left_out: dict[str, tuple[str, str]], frame_remarks: Sequence[FrameRemark]
) -> PhotoState:
    fatal = [problem for problem in photo.problems if problem.fatal]
    remarks = tuple(problem.message for problem in photo.problems if not problem.fatal)
    remarks += tuple(remark.message for remark in frame_remarks if photo.name in remark.photographs)
    if photo.name in registered:
        state, code, reason = "registered", "", ""
    elif fatal:
        state, code, reason = "rejected", fatal[0].code, " ".join(problem.message for problem in fatal)
    else:
        state = "left_out"
        code, reason = left_out.get(photo.name, ("unexplained", "No place was found for it in the model."))
    return PhotoState(photo.name, photo.sha256, photo.width_px, photo.height_px, state, code, reason, remarks)
