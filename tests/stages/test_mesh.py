"""The mesh stage: settings, and a run through references."""

from __future__ import annotations

import pytest

from e2e3d.config.mesh import MeshConfig
from e2e3d.data.ref import Ref
from e2e3d.errors import SettingsError
from e2e3d.stages.mesh import STAGE, MeshInputs
from e2e3d.stages.stage import RunContext
from tests.ops.exact_views import orbit
from tests.stages.test_fusion import fuse_in_blocks


def test_the_stage_gives_a_mesh_within_the_face_count() -> None:
    views, depths = orbit(7, size_px=96)
    inputs = MeshInputs(
        Ref.of(fuse_in_blocks(7)), tuple(Ref.of(view) for view in views), tuple(Ref.of(depth) for depth in depths)
    )
    mesh = STAGE.run(inputs, MeshConfig(max_faces=5000), RunContext())
    assert 3000 < len(mesh.faces) <= 5000


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_faces": 10},
        {"cell_px": 0.0},
        {"smoothing_px": -1.0},
        {"hole_px": -1.0},
        {"void_views": 0},
        {"island_near": 0.0},
    ],
)
def test_impossible_settings_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=f"mesh.{next(iter(wrong))}"):
        MeshConfig(**wrong)  # type: ignore[arg-type]
