"""Texturing against exactly known textures."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.data.scene import Camera
from e2e3d.errors import ReconstructionError
from e2e3d.ops.sample.sample_scene import build_sample_scene, sample_poses
from e2e3d.ops.texturing.adjacency import face_adjacency
from tests.ops.texturing.scenes import (
    OPENCV,
    PINHOLE,
    camera_above,
    joined,
    photograph,
    plane,
    render_textured,
    surface_samples,
    texture_at,
    textured,
    waves,
)

POSES = [camera_above(x, y) for x, y in ((0, 0.01), (0.5, 0.3), (-0.5, 0.2), (0.2, -0.5), (-0.3, -0.4))]


def seam_colours(model: TexturedMesh) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Texture in the middle of each edge between faces of two photographs, as either face has it."""
    faces = model.mesh.faces
    neighbours = face_adjacency(faces)
    f, k = np.nonzero(neighbours >= 0)
    g = neighbours[f, k]
    cut = model.face_image[f] != model.face_image[g]
    f, k, g = f[cut], k[cut], g[cut]
    j = (neighbours[g] == f[:, None]).argmax(1)
    middle = 0.5 * (np.eye(3) + np.roll(np.eye(3), 1, 1))
    return texture_at(model, f, middle[k]), texture_at(model, g, middle[j])


def painted(points: NDArray[np.float64], face: NDArray[np.int64]) -> NDArray[np.float64]:
    return waves(points)


@pytest.mark.parametrize("camera", [PINHOLE, OPENCV], ids=["pinhole", "opencv"])
@pytest.mark.parametrize("cells", [1, 12])
def test_plane_texture_is_recovered_to_a_fraction_of_a_texel(camera: Camera, cells: int) -> None:
    mesh = plane(cells, 0.6)
    photos = [photograph(mesh, camera, pose, painted) for pose in POSES]
    model = textured(mesh, camera, POSES, photos)
    face, weights, points = surface_samples(mesh, 4000)
    found = texture_at(model, face, weights)
    texel = 2.4 / 300
    inner = (np.abs(points[:, :2]) < 0.55).all(1)
    error = np.abs(found - waves(points))[inner]
    tenth = np.abs(waves(points + 0.15 * texel * np.array([1, 1, 0])) - waves(points))[inner]
    assert np.median(error) < 1.0
    assert error.mean() < max(1.2, tenth.mean())


def test_small_atlas_averages_instead_of_aliasing() -> None:
    mesh = plane(8, 0.6)

    def stripes(points: NDArray[np.float64], face: NDArray[np.int64]) -> NDArray[np.float64]:
        pixel = np.floor(points[..., :1] * 300 / 2.4 + 0.001)
        return np.repeat(np.where(pixel % 2 == 0, 20.0, 220.0), 3, -1)

    pose = camera_above(0, 1e-6)
    model = textured(mesh, PINHOLE, [pose], [photograph(mesh, PINHOLE, pose, stripes)], atlas_size_px=64)
    face, weights, points = surface_samples(mesh, 500)
    found = texture_at(model, face, weights)[(np.abs(points[:, :2]) < 0.4).all(1)]
    assert model.pages[0].shape[0] <= 64
    assert found.std() < 45
    assert found.mean() == pytest.approx(120, abs=8)


def test_hidden_face_never_takes_the_colour_before_it() -> None:
    wall, card = plane(20, 1.0, 0.0), plane(4, 0.25, 0.5)
    mesh = joined(wall, card)
    first_card_face = len(wall.faces)

    def paint(points: NDArray[np.float64], face: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.where((face >= first_card_face)[..., None], (250.0, 10.0, 10.0), (20.0, 90.0, 200.0))

    photos = [photograph(mesh, PINHOLE, pose, paint) for pose in POSES]
    model = textured(mesh, PINHOLE, POSES, photos)
    face, weights, points = surface_samples(mesh, 6000)
    found = texture_at(model, face, weights)
    inside_card = (face >= first_card_face) & (np.abs(points[:, :2]) < 0.24).all(1)  # its outermost pixels are mixed
    assert found[face < first_card_face, 0].max() < 60
    assert found[inside_card, 0].min() > 200


def test_passer_by_in_one_view_is_rejected() -> None:
    mesh = plane(24, 0.6)
    photos = [photograph(mesh, PINHOLE, pose, painted) for pose in POSES]
    photos[0][90:150, 130:190] = (255, 0, 255)
    model = textured(mesh, PINHOLE, POSES, photos)
    face, weights, points = surface_samples(mesh, 4000)
    inner = (np.abs(points[:, :2]) < 0.58).all(1)
    assert np.abs(texture_at(model, face, weights) - waves(points))[inner].max() < 40


@pytest.mark.parametrize("even_exposure", [True, False])
def test_known_gains_leave_no_seam(even_exposure: bool) -> None:
    mesh = plane(30, 0.9)
    gains = np.array([1.0, 0.8, 1.15, 0.9, 1.1])
    photos = [
        (photograph(mesh, PINHOLE, pose, painted) * gain + 0.5).clip(0, 255).astype(np.uint8)
        for pose, gain in zip(POSES, gains, strict=True)
    ]
    model = textured(mesh, PINHOLE, POSES, photos, even_exposure=even_exposure)
    assert len(np.unique(model.face_image)) > 2
    near, far = seam_colours(model)
    assert len(near) > 30
    assert np.abs(near - far).mean() < 1.5
    face, weights, points = surface_samples(mesh, 8000)
    ratio = (texture_at(model, face, weights) / waves(points))[(np.abs(points[:, :2]) < 0.86).all(1)]
    assert ratio.std() / ratio.mean() < (0.025 if even_exposure else 0.1)


def test_masked_pixels_are_not_used() -> None:
    mesh = plane(10, 0.6)
    photos = [photograph(mesh, PINHOLE, pose, painted) for pose in POSES]
    masks: list[NDArray[np.bool_] | None] = [np.zeros((240, 320), bool), *[None] * 4]
    model = textured(mesh, PINHOLE, POSES, photos, masks)
    assert 0 not in model.face_image


def test_unseen_faces_are_filled_from_their_neighbours() -> None:
    front = plane(10, 0.6)
    back = Mesh(front.vertices_world - np.float32([0, 0, 0.2]), front.colors, front.faces[:, ::-1].copy())
    rim = [i for i in range(121) if i % 11 in (0, 10) or i // 11 in (0, 10)]
    merge = np.arange(242)
    merge[[121 + i for i in rim]] = rim  # the back hangs on the rim of the front
    both = joined(front, back)
    mesh = Mesh(both.vertices_world, both.colors, merge[both.faces].astype(np.int32))
    photos = [photograph(mesh, PINHOLE, pose, lambda p, f: np.full((*p.shape[:-1], 3), 150.0)) for pose in POSES]
    model = textured(mesh, PINHOLE, POSES, photos)
    unseen = np.flatnonzero(model.face_image < 0)
    assert set(range(200, 400)) <= set(unseen)
    found = texture_at(model, np.repeat(unseen, 3), np.tile(np.eye(3), (len(unseen), 1)))
    assert np.abs(found - 150).max() < 3


def test_mesh_that_nobody_sees_keeps_its_own_colours() -> None:
    mesh = plane(3)
    away = camera_above(0.1, 0.2)
    away[2] *= -1
    away[0] *= -1
    model = textured(mesh, PINHOLE, [away], [np.zeros((240, 320, 3), np.uint8)])
    assert (model.face_image == -1).all()
    face, weights, _ = surface_samples(mesh, 100)
    assert np.allclose(texture_at(model, face, weights), 99, atol=1)


def test_sample_scene_from_its_own_cameras() -> None:
    scene = build_sample_scene(detail=90)
    mesh = Mesh(scene.vertices_world, np.full_like(scene.vertices_world, 128, np.uint8), scene.faces)
    camera = Camera(1, "PINHOLE", 480, 360, (420.0, 420.0, 240.0, 180.0))
    poses = sample_poses(6)
    photos = [scene.render(camera.params, pose, 480, 360, 2).image for pose in poses]
    model = textured(mesh, camera, poses, photos, atlas_size_px=2048)
    for pose, photo in zip(poses, photos, strict=True):
        image, seen = render_textured(model, camera, pose)
        error = (image - photo)[seen]
        assert 10 * np.log10(255**2 / (error**2).mean()) > 29
        assert np.median(np.abs(error)) < 5


def test_result_is_deterministic() -> None:
    mesh = plane(20, 0.8)
    photos = [photograph(mesh, OPENCV, pose, painted) for pose in POSES]
    first, second = (textured(mesh, OPENCV, POSES, photos) for _ in range(2))
    assert np.array_equal(first.uv, second.uv)
    assert np.array_equal(first.face_image, second.face_image)
    assert all(np.array_equal(a, b) for a, b in zip(first.pages, second.pages, strict=True))


def test_empty_mesh_is_named() -> None:
    mesh = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8), np.zeros((0, 3), np.int32))
    with pytest.raises(ReconstructionError, match="no faces"):
        textured(mesh, PINHOLE, POSES, [np.zeros((240, 320, 3), np.uint8)] * 5)
