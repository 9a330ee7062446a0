"""The renderer against the exact pictures of the sample scene, and viewpoints that really see the subject."""

from dataclasses import replace

import numpy as np
import pytest

from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.data.run_results import Results
from e2e3d.data.scene import Camera
from e2e3d.ops.evaluation.rendering import Renderer, camera_rays, sample_texture
from e2e3d.ops.photos.undistortion import image_from_normalised
from e2e3d.ops.sfm.viewpoints import ASPECT, camera_centers, four_sides, subject, up_direction
from tests.synthetic import HEIGHT, INTRINSICS, WIDTH, sample_results


@pytest.fixture(scope="module")
def results() -> Results:
    return sample_results()


def test_depth_equals_the_exact_depth(results: Results) -> None:
    renderer = Renderer(results.textured.load())
    for view, depth in zip(results.views, results.depths, strict=True):
        picture = renderer.pinhole(INTRINSICS, view.load().cam_from_world, WIDTH, HEIGHT)
        assert np.percentile(np.abs(picture.depth - depth.load().depth), 99.9) < 1e-5
        assert np.array_equal(picture.face >= 0, depth.load().depth > 0)
        assert picture.front[picture.face >= 0].mean() > 0.999


def test_colours_come_from_the_right_texels() -> None:
    page = np.zeros((4, 4, 3), np.uint8)
    page[1, 2] = (200, 100, 50)
    assert sample_texture(page, np.array([[2.5 / 4, 1 - 1.5 / 4]], np.float32)).tolist() == [[200, 100, 50]]
    assert sample_texture(page, np.array([[3.0 / 4, 1 - 1.5 / 4]], np.float32)).tolist() == [[100, 50, 25]]


def test_pages_and_vertex_colours_on_one_mesh() -> None:
    square = np.array([[-1, -1, 2], [1, -1, 2], [1, 1, 2], [-1, 1, 2]], np.float32)
    colors = np.array([[0, 0, 0], [255, 0, 0], [255, 255, 0], [0, 255, 0]], np.uint8)
    mesh = Mesh(square, colors, np.array([[0, 2, 1], [0, 3, 2]], np.int32))
    page = np.full((8, 8, 3), 77, np.uint8)
    uv = np.full((2, 3, 2), 0.5, np.float32)
    textured = TexturedMesh(mesh, uv, np.array([-1, 0], np.int32), np.array([-1, -1], np.int32), (page,))
    picture = Renderer(textured).pinhole((50, 50, 50, 50), np.eye(3, 4), 100, 100)
    assert picture.image[70, 30].tolist() == [77, 77, 77]
    x, y = 70, 30
    expected = np.array([(x + 0.5 - 50) / 25 + 1, (y + 0.5 - 50) / 25 + 1]) / 2 * 255
    assert np.abs(picture.image[y, x, :2] - expected).max() < 1
    assert not picture.image[0, 0].any()
    assert picture.front[y, x]


def test_camera_rays_undo_distortion() -> None:
    camera = Camera(1, "OPENCV", 400, 300, (350.0, 360.0, 199.0, 152.0, -0.1, 0.02, 1e-3, -2e-3))
    rays = camera_rays(camera, 200, 150)
    pixels = image_from_normalised(camera, rays[..., :2].reshape(-1, 2).astype(float)).reshape(150, 200, 2)
    x, y = np.meshgrid(2 * (np.arange(200) + 0.5), 2 * (np.arange(150) + 0.5))
    assert np.abs(pixels - np.stack([x, y], -1)).max() < 1e-3
    assert (rays[..., 2] == 1).all()


def test_viewpoints_look_at_the_subject(results: Results) -> None:
    scene = results.mapping.scene
    target, radius = subject(scene)
    assert radius < 4
    around = 40 * np.random.default_rng(0).normal(size=(1000, 3))  # far surroundings: the subject alone is framed
    sides = four_sides(scene, around)
    assert [side.title for side in sides] == ["Front", "From the left", "From the right", "From above"]
    for side in sides:
        at = side.cam_from_world[:, :3] @ target + side.cam_from_world[:, 3]
        assert np.abs(at[:2]).max() < 0.01 * radius
        assert at[2] > 0
        assert side.cam_from_world[1, :3] @ up_direction(scene) < 0  # up in the world is up in the image


def test_cameras_all_around_give_quarter_turns(results: Results) -> None:
    scene = results.mapping.scene
    around = []
    for image, turn in zip(scene.images, np.arange(5) * 2 * np.pi / 5, strict=True):
        c, s = np.cos(turn), np.sin(turn)
        turned = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
        pose = image.cam_from_world.copy()
        pose[:, :3] = scene.images[2].cam_from_world[:, :3] @ turned
        pose[:, 3] = scene.images[2].cam_from_world[:, 3]
        around.append(replace(image, cam_from_world=pose))
    ring = replace(scene, images=tuple(around))
    sides = four_sides(ring, ring.points_world)
    assert [side.title for side in sides] == ["Front", "Right", "Back", "Left"]
    ahead = np.array([side.cam_from_world[2, :2] for side in sides])
    assert np.abs(ahead[0] + ahead[2]).max() < 1e-6
    assert abs(ahead[0] @ ahead[1]) < 1e-6


def test_a_long_object_is_framed_whole(results: Results) -> None:
    scene = results.mapping.scene
    target, radius = subject(scene)
    rod = target + np.linspace(-2.4, 2.4, 200)[:, None] * radius * np.array([[0.9, 0.1, 0.42]])
    for side in four_sides(scene, rod):
        seen = rod @ side.cam_from_world[:, :3].T + side.cam_from_world[:, 3]
        assert seen[:, 2].min() > 0
        half = np.tan(np.radians(side.field_of_view_deg / 2))
        across, along = np.abs(seen[:, 0] / seen[:, 2]) / (ASPECT * half), np.abs(seen[:, 1] / seen[:, 2]) / half
        assert 0.5 < max(across.max(), along.max()) <= 1.0


def test_up_of_an_arbitrary_frame_is_that_of_the_photographs(results: Results) -> None:
    scene = replace(results.mapping.scene, frame="arbitrary")
    assert up_direction(scene) @ (0, 0, 1) > 0.8
    assert camera_centers(scene).shape == (5, 3)


def test_far_houses_with_many_points_are_not_the_subject(results: Results) -> None:
    scene = results.mapping.scene
    target, radius = subject(scene)
    image, centers, count = scene.images[0], camera_centers(scene), len(scene.observation_point)
    ahead = image.cam_from_world[2, :3]
    rng = np.random.default_rng(0)
    houses = target + 15 * np.linalg.norm(target - centers[0]) * ahead + radius * rng.normal(size=(count, 3))
    first = len(scene.points_world)
    behind = replace(
        scene,
        points_world=np.concatenate([scene.points_world, houses]),
        observation_image=np.concatenate([scene.observation_image, np.zeros(count, np.int32)]),
        observation_point=np.concatenate([scene.observation_point, np.arange(first, first + count, dtype=np.int32)]),
    )
    center, found = subject(behind)
    assert np.linalg.norm(center - target) < 0.4 * radius
    assert found < 1.5 * radius
    # A piece of them in the model does not push the camera back either.
    surface = np.concatenate([target + 0.5 * radius * rng.normal(size=(4900, 3)), houses[:100]])
    for side in four_sides(behind, surface):
        seen = surface[:4900] @ side.cam_from_world[:, :3].T + side.cam_from_world[:, 3]
        across = np.abs(seen[:, 1] / seen[:, 2]) / np.tan(np.radians(side.field_of_view_deg / 2))
        assert np.percentile(across, 99) > 0.4
