"""What a photograph shows of each face, against exactly known outlines."""

from __future__ import annotations

import numpy as np

from e2e3d.ops.texturing.camera import camera_vector, project_points
from e2e3d.ops.texturing.visibility import score_view
from tests.ops.texturing.scenes import PINHOLE, camera_above, photograph, plane

SKY, ROOF = (235, 240, 245), (60, 65, 80)


def test_faces_that_reach_over_the_outline_into_the_sky_are_not_usable() -> None:
    mesh = plane(40, 0.6)
    pose = camera_above(0, 0.01)
    middle = np.abs(mesh.vertices_world[mesh.faces].mean(1)[:, :2]).max(1)

    def roof(points: np.ndarray, face: np.ndarray) -> np.ndarray:
        return np.where((np.abs(points[..., :2]).max(-1) < 0.54)[..., None], ROOF, SKY)  # the mesh is too large

    photo = photograph(mesh, PINHOLE, pose, roof)
    photo[photo.sum(-1) == 0] = SKY
    camera = camera_vector(PINHOLE, pose)
    view = (mesh.vertices_world, mesh.faces, project_points(camera, mesh.vertices_world))
    quality, _ = score_view(camera, photo, None, *view)
    assert (quality[middle > 0.56] == -1).all()
    assert (quality[middle < 0.52] > 0).all()
    white = np.full_like(photo, SKY)  # a white roof before a white sky stays
    quality, _ = score_view(camera, white, None, *view)
    assert (quality > 0).all()
