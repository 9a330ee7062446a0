import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from e2e3d.errors import SettingsError
from e2e3d.ops.texturing.atlas import lay_out
from e2e3d.ops.texturing.packing import GUTTER_PX, AtlasLayout, pack_charts


def blobs(sizes: list[tuple[float, float]], seed: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """One fan of triangles for each chart: an ellipse of the given half axes somewhere in a photograph."""
    rng = np.random.default_rng(seed)
    corners, chart = [], []
    angle = np.linspace(0, 2 * np.pi, 13)
    for i, (a, b) in enumerate(sizes):
        centre = rng.uniform(200, 900, 2)
        rim = centre + np.stack([a * np.cos(angle), b * np.sin(angle)], 1)
        for k in range(12):
            corners.append([centre, rim[k], rim[k + 1]])
            chart.append(i)
    return np.array(corners, np.float32), np.array(chart, np.int32)


def texel_owners(face_px: NDArray[np.float32], chart: NDArray[np.int32], layout: AtlasLayout) -> NDArray[np.int64]:
    """For every texel how many charts lie closer to it than half the room between charts."""
    atlas_px = (face_px - layout.corner_px[chart][:, None]) * layout.scale + layout.origin_px[chart][:, None]
    count = np.zeros((layout.pages, layout.size_px, layout.size_px), np.int64)
    for c in range(chart.max() + 1):
        near = np.zeros((layout.size_px, layout.size_px), bool)
        for x0, y0, x1, y1 in np.concatenate([atlas_px[chart == c].min(1), atlas_px[chart == c].max(1)], 1):
            assert min(x0, y0) >= GUTTER_PX - 1e-3
            assert max(x1, y1) <= layout.size_px - GUTTER_PX + 1e-3
            near[int(y0 - 1) : int(y1 + 2), int(x0 - 1) : int(x1 + 2)] = True
        count[layout.page[c]] += near
    return count


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.floats(1, 150), st.floats(1, 150)), min_size=1, max_size=25), st.integers(0, 99))
def test_charts_stay_apart_on_the_page(sizes: list[tuple[float, float]], seed: int) -> None:
    face_px, chart = blobs(sizes, seed)
    layout = pack_charts(face_px, chart, len(sizes), 512, 1)
    assert 0 < layout.scale <= 1
    assert layout.size_px <= 512
    assert texel_owners(face_px, chart, layout).max() == 1


def test_every_texel_belongs_to_the_chart_that_covers_it() -> None:
    face_px, chart = blobs([(60, 20), (30, 90), (10, 10), (100, 100)], 3)
    layout = pack_charts(face_px, chart, 4, 512, 1)
    atlas = lay_out(face_px, chart, layout)
    for f in range(len(chart)):
        x, y = atlas.corner_px[f].mean(0).astype(int)
        assert atlas.chart[atlas.owner[0, y, x]] == chart[f]


def test_what_fits_keeps_the_resolution_of_the_photographs_on_a_small_page() -> None:
    face_px, chart = blobs([(20, 20)] * 6, 1)
    layout = pack_charts(face_px, chart, 6, 4096, 1)
    assert layout.scale == 1
    assert layout.size_px < 256


def test_second_page_is_used_before_resolution_is_lost_further() -> None:
    face_px, chart = blobs([(150, 150)] * 8, 1)
    one, two = (pack_charts(face_px, chart, 8, 512, pages) for pages in (1, 2))
    assert two.pages == 2
    assert two.scale > 1.2 * one.scale
    assert texel_owners(face_px, chart, two).max() == 1


def test_charts_that_cannot_fit_are_an_error() -> None:
    face_px, chart = blobs([(5, 5)] * 6000, 1)
    with pytest.raises(SettingsError, match="do not fit"):
        pack_charts(face_px, chart, 6000, 256, 1)
