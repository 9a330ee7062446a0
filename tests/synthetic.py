"""A finished job made up from the sample scene: exact surface, cameras, depths and texture."""

from __future__ import annotations

import hashlib
from functools import cache

import cv2
import numpy as np

from e2e3d.data.dense import DepthMap, PointCloud, View, ViewGeometry
from e2e3d.data.features import Features, MatchBlock
from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.data.photo import CameraGuess, Photo, PhotoProblem
from e2e3d.data.ref import Ref
from e2e3d.data.run_results import Results, RunFacts
from e2e3d.data.scene import Camera, LeftOut, Mapping, Scene, SceneImage
from e2e3d.data.stats import StageStats
from e2e3d.ops.formats.pictures import encode_jpeg
from e2e3d.ops.sample.sample_scene import build_sample_scene, sample_poses, shade

WIDTH, HEIGHT, FOCAL = 320, 240, 300.0
INTRINSICS = (FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2)
CELL = 8


@cache
def sample_results(count: int = 5, detail: int = 50) -> Results:
    """`count` registered photographs, then one that matched nothing and one that does not decode."""
    surface = build_sample_scene(detail)
    poses = sample_poses(count, radius_m=3.4)
    renders = [surface.render(INTRINSICS, pose, WIDTH, HEIGHT, supersampling=1) for pose in poses]
    files = [encode_jpeg(render.image, 90) for render in renders] + [encode_jpeg(renders[0].image[:, ::-1]), b"broken"]
    names = [f"IMG_{i:04d}.jpg" for i in range(count)] + ["other side.jpg", "torn.jpg"]
    photos = tuple(_photo(name, data) for name, data in zip(names, files, strict=True))
    scene = _scene(names[:count], poses, [render.depth for render in renders], [render.image for render in renders])
    left_out = LeftOut("other side.jpg", "no-overlap", "It overlaps no other photograph. Take some in between.")
    views = tuple(Ref.of(_view(i, names[i], renders[i].image, poses[i])) for i in range(count))
    depths = tuple(Ref.of(DepthMap(r.depth, r.normal_cam, (r.depth > 0).astype(np.float32))) for r in renders)
    mesh = Mesh(surface.vertices_world, np.full(surface.vertices_world.shape, 128, np.uint8), surface.faces)
    return Results(
        photos=photos,
        photo_files=tuple(Ref.of(data) for data in files),
        mapped=Ref.of(Mapping(scene, (left_out,), (count, 2))),
        features=tuple(Ref.of(_features(scene, i)) for i in range(count)),
        matches=(Ref.of(_matches(scene)),),
        views=views,
        geometry=tuple(ViewGeometry(i, i, WIDTH, HEIGHT, views[i].load().sources) for i in range(count)),
        depths=depths,
        cloud=Ref.of(_cloud(scene)),
        mesh=Ref.of(mesh),
        textured=Ref.of(bake(mesh)),
    )


def facts() -> RunFacts:
    return RunFacts(
        quality="medium",
        settings={"depth": {"max_size_px": 768, "sources": 8}, "mesh": {"faces": 200_000}},
        stats=(StageStats("features", 5, 2, 3.0, 5.5, 400_000_000), StageStats("depth", 5, 0, 20.0, 38.0, 900_000_000)),
        started_at="2026-01-02T03:04:05Z",
        elapsed_s=83.0,
        seeds={"mapping": 0},
    )


def bake(mesh: Mesh) -> TexturedMesh:
    """Give each face a cell of its own in the atlas, filled with the exact colour of the surface."""
    faces = len(mesh.faces)
    columns = int(np.ceil(np.sqrt(faces)))
    row, column = np.divmod(np.arange(faces), columns)
    size = columns * CELL
    corner_px = np.array([[1.5, 1.5], [CELL - 2.5, 1.5], [1.5, CELL - 2.5]])
    corners = np.stack([column, row], 1)[:, None] * CELL + corner_px
    uv = np.stack([corners[..., 0] / size, 1 - corners[..., 1] / size], -1)
    y, x = np.mgrid[0:CELL, 0:CELL] + 0.5
    b, c = (x - 1.5) / (CELL - 4), (y - 1.5) / (CELL - 4)
    weights = np.stack([1 - b - c, b, c], -1)
    triangles = mesh.vertices_world.astype(float)[mesh.faces]
    points = np.einsum("yxk,fkd->fyxd", weights, triangles)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    colors = shade(points, np.broadcast_to(normals[:, None, None], points.shape).copy())
    page = np.zeros((columns, columns, CELL, CELL, 3), np.uint8)
    page[row, column] = np.clip(colors * 255 + 0.5, 0, 255)
    page = page.transpose(0, 2, 1, 3, 4).reshape(size, size, 3)
    return TexturedMesh(
        mesh, uv.astype(np.float32), np.zeros(faces, np.int32), np.zeros(faces, np.int32), (np.ascontiguousarray(page),)
    )


def _photo(name: str, data: bytes) -> Photo:
    sha256 = hashlib.sha256(data).hexdigest()
    if data == b"broken":
        problem = PhotoProblem("unreadable", "torn.jpg cannot be decoded. Copy it from the camera again.", fatal=True)
        return Photo(name, sha256, 0, 0, None, problems=(problem,))
    return Photo(name, sha256, WIDTH, HEIGHT, CameraGuess("one", FOCAL, "exif"), sharpness=80.0, exposure=0.4)


def _scene(names: list[str], poses: list[np.ndarray], depths: list[np.ndarray], images: list[np.ndarray]) -> Scene:
    """Surface points under a pixel grid of the first photographs, with every photograph that sees them."""
    points, colors = [], []
    for pose, depth, image in zip(poses, depths, images, strict=True):
        y, x = (index.reshape(-1) for index in np.mgrid[6:HEIGHT:12, 6:WIDTH:12])
        z = depth[y, x]
        rays = np.stack([(x + 0.5 - WIDTH / 2) / FOCAL, (y + 0.5 - HEIGHT / 2) / FOCAL, np.ones(len(x))], 1)
        points.append(((rays * z[:, None] - pose[:, 3]) @ pose[:, :3])[z > 0])
        colors.append(image[y, x][z > 0])
    points_world = np.concatenate(points)
    seen_image, seen_point, seen_px = [], [], []
    for index, (pose, depth) in enumerate(zip(poses, depths, strict=True)):
        camera = points_world @ pose[:, :3].T + pose[:, 3]
        px = camera[:, :2] / camera[:, 2:] * FOCAL + (WIDTH / 2, HEIGHT / 2)
        inside = (camera[:, 2] > 0) & (px > 0).all(1) & (px < (WIDTH, HEIGHT)).all(1)
        x, y = np.where(inside[:, None], px, 0).astype(int).T
        seen = np.flatnonzero(inside & (np.abs(depth[y, x] - camera[:, 2]) < 0.02))
        seen_image.append(np.full(len(seen), index, np.int32))
        seen_point.append(seen.astype(np.int32))
        seen_px.append(px[seen].astype(np.float32))
    order = np.argsort(np.concatenate(seen_point), kind="stable")
    return Scene(
        cameras=(Camera(1, "PINHOLE", WIDTH, HEIGHT, INTRINSICS),),
        images=tuple(SceneImage(name, i, 1, pose) for i, (name, pose) in enumerate(zip(names, poses, strict=True))),
        points_world=points_world,
        colors=np.concatenate(colors),
        errors_px=np.random.default_rng(0).gamma(2.0, 0.25, len(points_world)).astype(np.float32),
        observation_image=np.concatenate(seen_image)[order],
        observation_point=np.concatenate(seen_point)[order],
        observation_px=np.concatenate(seen_px)[order],
        frame="upright",
    )


def _view(index: int, name: str, image: np.ndarray, pose: np.ndarray) -> View:
    empty = np.zeros(0, np.float32)
    intrinsics = np.array(INTRINSICS)
    sources = (index - 1,) if index else (1,)
    scores, px = np.ones(1, np.float32), np.zeros((0, 2), np.float32)
    return View(name, index, image, None, intrinsics, pose, (1.0, 8.0), sources, scores, px, empty)


def _seen(scene: Scene, index: int) -> np.ndarray:
    """The points that an image observes; its keypoints are these observations, in this order."""
    return scene.observation_point[scene.observation_image == index]


def _features(scene: Scene, index: int) -> Features:
    px = scene.observation_px[scene.observation_image == index]
    keypoints = np.concatenate([px, np.ones_like(px)], 1).astype(np.float32)
    return Features(keypoints, np.zeros((len(px), 128), np.uint8), np.zeros((len(px), 3), np.uint8))


def _matches(scene: Scene) -> MatchBlock:
    """The points that two images share, fewer the farther they are apart."""
    count = len(scene.images)
    first, second = np.triu_indices(count, 1)
    matches = []
    for a, b in zip(first, second, strict=True):
        _, in_a, in_b = np.intersect1d(_seen(scene, a), _seen(scene, b), return_indices=True)
        matches.append(np.stack([in_a, in_b], 1).astype(np.uint32)[: max(400 - 90 * (b - a), 0)])
    sizes = np.array([len(pair) for pair in matches])
    return MatchBlock(
        pairs=np.stack([first, second], 1).astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        matches=np.concatenate(matches),
        candidates=(2 * sizes).astype(np.int32),
        configurations=np.full(len(first), 2, np.int32),
        matrices=np.zeros((len(first), 3, 3, 3)),
        still_offsets=np.zeros(len(first) + 1, np.int64),
        still=np.zeros((0, 2), np.uint32),
    )


def _cloud(scene: Scene) -> PointCloud:
    count = len(scene.points_world)
    return PointCloud(
        scene.points_world.astype(np.float32),
        np.tile(np.float32([0, 0, 1]), (count, 1)),
        scene.colors,
        np.ones(count, np.float32),
        np.full(count, 3, np.uint16),
        np.full(count, 0.01, np.float32),
        np.zeros(count + 1, np.int64),
        np.zeros(0, np.int32),
    )


def project(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Pixels [N, 2] of world points with the test camera."""
    camera = points @ pose[:, :3].T + pose[:, 3]
    return camera[:, :2] / camera[:, 2:] * FOCAL + (WIDTH / 2, HEIGHT / 2)


def resized(image: np.ndarray, width: int) -> np.ndarray:
    return cv2.resize(image, (width, round(image.shape[0] * width / image.shape[1])), interpolation=cv2.INTER_AREA)
