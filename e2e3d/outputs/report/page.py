"""Gathers what the report shows, and fills its template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.judgement import Judgement, JudgementSigns
from e2e3d.data.mesh import TexturedMesh
from e2e3d.data.run_results import Results, RunFacts
from e2e3d.data.scene import Scene
from e2e3d.data.stats import StageStats
from e2e3d.ops.evaluation.rendering import Renderer
from e2e3d.ops.evaluation.weigh_signs import LIMITS
from e2e3d.outputs.photo_states import PhotoState, photo_states
from e2e3d.outputs.report.drawings import histogram, layout_drawings, match_graph
from e2e3d.outputs.report.imagery import ViewPictures, file_thumbnail, side_pictures, view_pictures
from e2e3d.outputs.report.still_pictures import still_pictures
from e2e3d.outputs.report.verdict import describe

_PICTURED = 150
_STATE_WORDS = {"registered": "In the model", "left_out": "Left out", "rejected": "Not usable"}


@dataclass(frozen=True)
class PhotoCard:
    """What the report says of one photograph; pictures are data URIs or None."""

    number: int | None
    state: PhotoState
    words: str
    thumbnail: str | None
    pictures: ViewPictures | None
    observations: int
    matched: int


def render_report(results: Results, facts: RunFacts, textured: TexturedMesh, judgement: Judgement) -> str:
    """The report as HTML text without any reference to other files or hosts."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    scene = results.mapping.scene
    renderer = Renderer(textured)
    cards = _cards(results, renderer)
    coverage = [card.pictures.coverage for card in cards if card.pictures]
    states = [card.state for card in cards]
    above, side = layout_drawings(scene)
    environment = Environment(
        loader=PackageLoader("e2e3d.outputs.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        version=metadata.version("e2e3d"),
        facts=facts,
        verdict=describe(results.mapping, states, float(np.mean(coverage)) if coverage else 0.0, judgement),
        signs=_sign_rows(judgement.signs),
        figures=_figures(results, textured, states, facts),
        sides=side_pictures(renderer, scene, textured.mesh),
        layouts=(("From above", above), ("From the side", side)),
        graph=_graph(results),
        errors=histogram(scene.errors_px),
        still=still_pictures(results),
        cards=sorted(cards, key=lambda card: card.state.state == "registered"),
        stages=_stage_rows(facts.stats),
        settings=_setting_rows(facts.settings),
    )


def _cards(results: Results, renderer: Renderer) -> list[PhotoCard]:
    scene = results.mapping.scene
    observations = dict(zip((image.name for image in scene.images), _observations(scene).tolist(), strict=True))
    matched = _matched_neighbours(results)
    numbers = iter(range(1, len(results.photos) + 1))
    cards = []
    for photo, state in zip(results.photos, photo_states(results.photos, results.mapping), strict=True):
        number = next(numbers) if photo.usable else None
        count = matched[number - 1] if number is not None else 0
        words = _STATE_WORDS[state.state]
        cards.append(PhotoCard(number, state, words, None, None, observations.get(state.name, 0), count))
    return _pictured(cards[:_PICTURED], results, renderer) + cards[_PICTURED:]


def _pictured(cards: Sequence[PhotoCard], results: Results, renderer: Renderer) -> list[PhotoCard]:
    """The cards with their pictures; only one view is in memory at a time."""
    images = results.mapping.scene.images
    names = [images[view.image_index].name for view in results.geometry]
    found = dict(zip(names, zip(results.views, results.depths, strict=True), strict=True))
    pictured = []
    for card, file in zip(cards, results.photo_files, strict=False):
        if card.state.name in found:
            view, depth = found[card.state.name]
            pictured.append(replace(card, pictures=view_pictures(renderer, view.load(), depth.load())))
        else:
            pictured.append(replace(card, thumbnail=file_thumbnail(file.load())))
    return pictured


def _observations(scene: Scene) -> NDArray[np.int64]:
    return np.bincount(scene.observation_image, minlength=len(scene.images))


def _all_matches(results: Results) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Pairs [P, 2] and their numbers of verified matches [P]."""
    pairs, counts = [np.zeros((0, 2), np.int32)], [np.zeros(0, np.int64)]
    for ref in results.matches:
        block = ref.load()
        pairs.append(block.pairs)
        counts.append(np.diff(block.offsets))
    return np.concatenate(pairs), np.concatenate(counts)


def _matched_neighbours(results: Results) -> list[int]:
    """With how many others each usable photograph has verified matches."""
    pairs, counts = _all_matches(results)
    usable = sum(photo.usable for photo in results.photos)
    neighbours: list[int] = np.bincount(pairs[counts > 0].reshape(-1), minlength=usable).tolist()
    return neighbours


def _graph(results: Results) -> str:
    names = [photo.name for photo in results.photos if photo.usable]
    registered = {image.name for image in results.mapping.scene.images}
    return match_graph(names, *_all_matches(results), [name in registered for name in names])


def _figures(
    results: Results, textured: TexturedMesh, states: Sequence[PhotoState], facts: RunFacts
) -> list[tuple[str, str]]:
    registered = sum(state.state == "registered" for state in states)
    minutes, seconds = divmod(round(facts.elapsed_s), 60)
    return [
        ("photographs in the model", f"{registered} of {len(states)}"),
        ("points in the cloud", _thousands(len(results.cloud.load().points_world))),
        ("triangles", _thousands(len(textured.mesh.faces))),
        ("time", f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"),
    ]


def _stage_rows(stats: Sequence[StageStats]) -> list[dict[str, Any]]:
    longest = max((entry.cpu_s for entry in stats), default=0) or 1
    return [
        {
            "stage": entry.stage,
            "units": f"{entry.units}" + (f" ({entry.reused_units} reused)" if entry.reused_units else ""),
            "elapsed": f"{entry.elapsed_s:.1f}",
            "cpu": f"{entry.cpu_s:.1f}",
            "share": round(100 * entry.cpu_s / longest),
            "memory": f"{entry.peak_memory_bytes / 1e9:.2f}",
        }
        for entry in stats
    ]


def _setting_rows(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for stage, values in settings.items():
        if isinstance(values, Mapping):
            rows += [(f"{stage}.{name}", str(value)) for name, value in values.items()]
        else:
            rows.append((stage, str(values)))
    return rows


def _sign_rows(signs: JudgementSigns | None) -> list[dict[str, str]]:
    """What was measured, its value, and the limit beyond which it makes a model doubtful."""
    rows = []
    for limit in LIMITS if signs is not None else ():
        value = getattr(signs, limit.sign)
        if value is not None:
            bound = f"at least {limit.least:g}" if limit.least is not None else f"at most {limit.most:g}"
            mark = "" if limit.allows(value) else "✕"
            rows.append({"label": limit.label, "value": f"{value:.3g}", "limit": bound, "mark": mark})
    return rows


def _thousands(count: int) -> str:
    return f"{count:,}".replace(",", "\u202f")
