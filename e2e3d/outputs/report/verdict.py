"""The judgement in words: what a photographer should think of the model, and what to do better next time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from e2e3d.data.judgement import DOUBTFUL, Judgement
from e2e3d.data.scene import Mapping
from e2e3d.ops.formats.cameras_json import georeference_document
from e2e3d.outputs.photo_states import PhotoState
from e2e3d.outputs.summary import fit_words, in_words

_SHARP_PX = 1.0
_NEARLY_ALL = 0.9


@dataclass(frozen=True)
class Verdict:
    """What the report begins with.

    Attributes:
        level: ``good``, ``fair`` (good, with gaps) or ``poor`` (doubtful).
        headline: one sentence; `reasons`, `details` and `advice` are whole sentences.
        reasons: why the model is doubted.
    """

    level: str
    headline: str
    reasons: tuple[str, ...]
    details: tuple[str, ...]
    advice: tuple[str, ...]


def describe(mapping: Mapping, states: Sequence[PhotoState], coverage: float, judgement: Judgement) -> Verdict:
    """Put the judgement into words; `coverage` is the mean share of the photographs' pixels that the model explains."""
    registered = sum(state.state == "registered" for state in states)
    share = registered / max(len(states), 1)
    errors = mapping.scene.errors_px
    error = float(np.median(errors)) if len(errors) else float("inf")
    level = "good" if share >= _NEARLY_ALL and error <= _SHARP_PX else "fair"
    if judgement.verdict == DOUBTFUL:
        level = "poor"
    words = {
        "good": "The reconstruction worked well",
        "fair": "The reconstruction worked, with gaps",
        "poor": "This model is doubtful",
    }
    used = "all" if registered == len(states) else str(registered)
    headline = f"{words[level]}: {used} of {len(states)} photographs are part of the model."
    reasons = tuple(reason.message for reason in judgement.reasons)
    actions = tuple(dict.fromkeys(reason.action for reason in judgement.reasons))
    advice = actions + _advice(mapping, states, error, coverage)
    return Verdict(level, headline, reasons, _details(mapping, error, coverage), advice)


def _details(mapping: Mapping, error: float, coverage: float) -> tuple[str, ...]:
    frames = {
        "georeferenced": "The model is in metres and placed on the Earth by the photographs' GPS positions.",
        "metric": "The model is in metres.",
        "upright": "The model stands upright; its scale is arbitrary: nothing in the photographs tells the size.",
        "arbitrary": "The model's scale and orientation are arbitrary, because nothing in the photographs tells them.",
    }
    if any(remark.code == "poses-given" for remark in mapping.remarks):
        frames["arbitrary"] = "The model is in the frame and in the scale of the poses that were given."
    precision = f"Half of the points lie within {error:.2f} pixels of where the photographs show them" + (
        ", which is sharp." if error <= _SHARP_PX else "."
    )
    georeference = georeference_document(mapping.scene.georeference)
    gps = f" Cameras fit their GPS positions to {fit_words(georeference)}." if georeference else ""
    return (
        precision,
        f"The model explains {100 * coverage:.0f} % of what the photographs show, on average.",
        frames.get(mapping.scene.frame, frames["arbitrary"]) + gps,
        *map(in_words, mapping.remarks),
    )


def _advice(mapping: Mapping, states: Sequence[PhotoState], error: float, coverage: float) -> tuple[str, ...]:
    advice = []
    others = [size for size in mapping.component_sizes[1:] if size > 1]
    if others:
        sizes = ", ".join(str(size) for size in others)
        advice.append(
            f"The photographs fall into parts that do not connect; the largest became the model (others have {sizes} "
            "photographs). Take photographs that bridge them, each overlapping the next by two thirds."
        )
    if any(state.state != "registered" for state in states):
        advice.append("Some photographs could not be used; the reason stands beside each of them below.")
    if error > _SHARP_PX:
        advice.append(
            "The points are less precise than usual: keep zoom and focus fixed, avoid blur, and let nothing move."
        )
    if coverage < 0.5:
        advice.append(
            "Much of the photographs is not part of the model. Sky and plain background are no loss; where the subject "
            "itself has holes, add photographs of these places from several sides."
        )
    return tuple(advice)
