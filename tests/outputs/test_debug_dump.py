"""The pictures of what mesh and texture decided: the right colour for each face, and seams where charts meet."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import e2e3d
from e2e3d.config.mesh import MeshConfig
from e2e3d.ops.mesh.meshing import SurfaceDecision
from e2e3d.ops.texturing.adjacency import face_adjacency
from e2e3d.outputs.debug_dump import kept_colours, seam_edges, support_colours, write_decisions
from tests.command import SampleRun

# A strip of four triangles between the vertices 0 to 5.
STRIP = np.array([[0, 1, 2], [1, 3, 2], [2, 3, 4], [3, 5, 4]], np.int32)


def decision() -> SurfaceDecision:
    return SurfaceDecision(
        vertices_world=np.array([[i // 2, i % 2, 0] for i in range(6)], np.float32),
        faces=STRIP,
        supported=np.array([1, 1, 1, 1, 0, 0], np.bool_),
        void=np.array([0, 0, 0, 0, 0, 1], np.bool_),
        backed=np.array([1, 1, 0, 0], np.bool_),
        kept=np.array([1, 0, 0, 0], np.bool_),
    )


def test_each_decision_has_its_colour() -> None:
    support = [tuple(colour) for colour in support_colours(decision()).tolist()]
    assert support[0] == support[1]
    assert len(set(support)) == 3  # all supported; some; one in void space
    kept = [tuple(colour) for colour in kept_colours(decision()).tolist()]
    assert len(set(kept)) == 4  # kept; an island; without support; void
    red, green, _ = support[3]
    assert (support[3], red > 2 * green) == (kept[3], True)
    assert kept[0][1] > kept[0][0]


def test_what_is_kept_is_a_surface_of_its_own() -> None:
    vertices, faces = decision().kept_surface()
    assert (len(vertices), faces.tolist()) == (3, [[0, 1, 2]])


def test_seams_lie_between_two_charts() -> None:
    chart = np.array([0, 0, 1, -1], np.int32)
    seams = seam_edges(face_adjacency(STRIP), chart)
    ends = {(int(STRIP[f, k]), int(STRIP[f, (k + 1) % 3])) for f, k in zip(*np.nonzero(seams), strict=True)}
    assert ends == {(3, 2), (2, 3)}  # not the border of what nobody saw, and not the rim of the surface


@pytest.mark.slow
def test_the_pictures_show_the_model(sample_run: SampleRun, tmp_path: Path) -> None:
    results = e2e3d.open(sample_run.out).records
    paths = write_decisions(tmp_path, results, MeshConfig(), 2)
    names = [path.stem for path in paths]
    assert names[:5] == [
        *("mesh-support", "mesh-kept", "mesh-components"),
        *("texture-photographs", "texture-charts"),
    ]
    assert names[5:] == [f"texture-atlas-{i + 1}" for i in range(len(results.textured.load().pages))]
    pictures = {path.stem: cv2.imread(str(path)) for path in paths}
    for name in names[:5]:
        assert pictures[name].shape == (1440, 1920, 3)
        most = 1.0 if name in names[:2] else 0.9  # the surface as it was laid closes around everything
        assert 0.1 < (np.ptp(pictures[name], axis=2) > 20).mean() < most, name
