"""Writes a finished job's results into a folder: models, cameras, report, and last of all the manifest."""

from __future__ import annotations

import errno
import json
import re
import resource
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from e2e3d.data.judgement import Judgement
from e2e3d.data.mesh import TexturedMesh
from e2e3d.data.run_results import Results, RunFacts
from e2e3d.data.scene import Scene
from e2e3d.data.stats import StageStats
from e2e3d.errors import InputError
from e2e3d.ops.formats.cameras_json import cameras_document, georeference_document
from e2e3d.ops.formats.glb import write_glb
from e2e3d.ops.formats.laz import write_cloud_laz
from e2e3d.ops.formats.obj import material_library, write_obj
from e2e3d.ops.formats.pictures import encode_jpeg
from e2e3d.ops.formats.ply import write_cloud_ply, write_mesh_ply
from e2e3d.outputs.depth_files import write_depth_folder
from e2e3d.outputs.evaluation.model_judgement import judge_run
from e2e3d.outputs.manifest import MANIFEST_NAME, Counts, Manifest, OutputFile, read_manifest
from e2e3d.outputs.photo_states import photo_states
from e2e3d.outputs.report import render_report
from e2e3d.outputs.tiling.streamed_files import COPC_NAME, TILES_FOLDER, write_cloud_copc, write_model_tiles
from e2e3d.storage.atomic_files import atomic_file, sha256_of, write_bytes
from e2e3d.storage.failures import machine_errors

_TEXTURE_QUALITY = 92


@dataclass(frozen=True)
class ExportedPaths:
    """Where everything is.

    `laz` is None unless georeferenced, `depth` unless asked for, `tileset` and `copc` unless large or asked for.
    """

    out: Path
    sparse: Path
    cameras: Path
    cloud: Path
    laz: Path | None
    mesh: Path
    obj: Path
    textures: tuple[Path, ...]
    glb: Path
    tileset: Path | None
    copc: Path | None
    depth: Path | None
    report: Path
    manifest: Path


def paths_of(out: Path, manifest: Manifest) -> ExportedPaths:
    """Where the files of a finished result are."""
    names = [file.path for file in manifest.outputs]

    def optional(name: str) -> Path | None:
        return out / name if any(path == name or path.startswith(f"{name}/") for path in names) else None

    return ExportedPaths(
        out=out,
        sparse=out / "sparse",
        cameras=out / "cameras.json",
        cloud=out / "dense.ply",
        laz=optional("dense.laz"),
        mesh=out / "mesh.ply",
        obj=out / "model.obj",
        textures=tuple(out / name for name in names if re.fullmatch(r"model_\d+\.\w+", name)),
        glb=out / "model.glb",
        tileset=optional(f"{TILES_FOLDER}/tileset.json"),
        copc=optional(COPC_NAME),
        depth=optional("depth"),
        report=out / "report.html",
        manifest=out / MANIFEST_NAME,
    )


def export_results(
    out: Path, results: Results, facts: RunFacts, depth: bool = False, tiles: bool | None = None
) -> ExportedPaths:
    """Write the results into `out`, every file atomically; one that an earlier export left there is replaced.

    Args:
        out: the result folder; it is made when missing.
        results: the records of the job.
        facts: how they were made.
        depth: whether to write the depth maps as well.
        tiles: whether to write the model as 3D Tiles and the cloud as COPC; None = what is too large for one file.

    Raises:
        MachineError: when the disk is full or the folder cannot be written.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="report") as side:
        return _export(out, results, facts, depth, tiles, side)


def _export(
    out: Path, results: Results, facts: RunFacts, depth: bool, tiles: bool | None, side: ThreadPoolExecutor
) -> ExportedPaths:
    """Write everything while the report's pictures are rendered on the side."""
    start_wall, start_cpu = time.perf_counter(), time.process_time()
    earlier = _retire_earlier(out)
    writer = Writer(out)
    scene = results.mapping.scene
    textured = results.textured.load()
    judged = side.submit(_judge_and_report, results, facts, textured)
    write_sparse(writer, scene)
    write_cameras(writer, scene)
    dense_points = _write_cloud(writer, results, tiles)
    writer.stream("mesh.ply", lambda file: write_mesh_ply(file, results.mesh.load()))
    _write_textured(writer, textured)
    write_model_tiles(writer.write, textured, scene, tiles)
    if depth:
        write_depth_folder(writer.write, results)
    judgement, page = judged.result()
    writer.write("report.html", page.encode())
    stats = _export_stats(start_wall, start_cpu)
    manifest = Manifest(
        quality=facts.quality,
        settings=facts.settings,
        seeds=facts.seeds,
        started_at=facts.started_at,
        elapsed_s=facts.elapsed_s + stats.elapsed_s,
        counts=_counts(results, dense_points, textured),
        frame=scene.frame,
        unit="metre" if scene.frame in ("georeferenced", "metric") else "arbitrary",
        georeference=georeference_document(scene.georeference),
        component_sizes=results.mapping.component_sizes,
        stages=(*facts.stats, stats),
        photographs=photo_states(results.photos, results.mapping),
        outputs=tuple(writer.files),
        remarks=results.mapping.remarks,
        judgement=judgement,
    )
    write_bytes(out / MANIFEST_NAME, manifest.to_json())
    _remove_stale(out, earlier, manifest)
    return paths_of(out, manifest)


def _judge_and_report(results: Results, facts: RunFacts, textured: TexturedMesh) -> tuple[Judgement, str]:
    judgement = judge_run(results, textured)
    return judgement, render_report(results, facts, textured, judgement)


class Writer:
    """Writes files below one folder, each atomically, and remembers their sizes and hashes."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.files: list[OutputFile] = []

    def stream(self, name: str, write: Callable[[BinaryIO], None]) -> Path:
        """Let `write` fill the file `name` and return its path."""
        path = self.out / name
        with atomic_file(path) as file:
            write(file)
        return self.note(name)

    def write(self, name: str, data: bytes) -> Path:
        """Write the file `name` and return its path."""
        return self.stream(name, lambda file: _write_all(file, data))

    def note(self, name: str) -> Path:
        """Take a file that is already in place into the list."""
        path = self.out / name
        self.files.append(OutputFile(name, path.stat().st_size, sha256_of(path)))
        return path


def _write_all(file: BinaryIO, data: bytes) -> None:
    file.write(data)


def _json(document: object) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def write_sparse(writer: Writer, scene: Scene) -> None:
    """Write the COLMAP binary model; pycolmap writes into a folder beside, and the files move into place."""
    from e2e3d.ops.sfm.colmap_model import scene_to_reconstruction

    folder = writer.out / "sparse"
    partial = writer.out / ".sparse.partial"
    with machine_errors(folder):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        folder.mkdir(exist_ok=True)
        scene_to_reconstruction(scene).write_binary(str(partial))
        _require_complete(partial, scene)
        for file in sorted(partial.iterdir()):
            file.replace(folder / file.name)
            writer.note(f"sparse/{file.name}")
        partial.rmdir()


def write_cameras(writer: Writer, scene: Scene) -> None:
    """Write the cameras and poses as JSON."""
    writer.write("cameras.json", _json(cameras_document(scene)))


def _require_complete(folder: Path, scene: Scene) -> None:
    """Compare sizes with COLMAP's layout: pycolmap does not notice when the disk fills up while it writes.

    Raises:
        OSError: when a file is shorter than its content.
    """
    observations, names = len(scene.observation_px), sum(len(image.name.encode()) for image in scene.images)
    expected = {
        "images.bin": 8 + 73 * len(scene.images) + names + 24 * observations,
        "points3D.bin": 8 + 51 * len(scene.points_world) + 8 * observations,
    }
    if any((folder / name).stat().st_size < size for name, size in expected.items()):
        raise OSError(errno.ENOSPC, "The files are incomplete")


def _write_cloud(writer: Writer, results: Results, tiles: bool | None) -> int:
    """Write the cloud; returns how many points it has."""
    cloud = results.cloud.load()
    writer.stream("dense.ply", lambda file: write_cloud_ply(file, cloud))
    georeference = results.mapping.scene.georeference
    if georeference is not None:
        writer.stream("dense.laz", lambda file: write_cloud_laz(file, cloud, georeference))
    write_cloud_copc(writer.stream, cloud, tiles)
    return len(cloud.points_world)


def _write_textured(writer: Writer, textured: TexturedMesh) -> None:
    jpegs = [encode_jpeg(page, _TEXTURE_QUALITY) for page in textured.pages]
    names = [f"model_{page}.jpg" for page in range(len(jpegs))]
    for name, jpeg in zip(names, jpegs, strict=True):
        writer.write(name, jpeg)
    writer.write("model.mtl", material_library(names))
    writer.stream("model.obj", lambda file: write_obj(file, textured, "model.mtl"))
    writer.stream("model.glb", lambda file: write_glb(file, textured, jpegs))


def _counts(results: Results, dense_points: int, textured: TexturedMesh) -> Counts:
    scene = results.mapping.scene
    errors = scene.errors_px
    return Counts(
        photographs=len(results.photos),
        registered=len(scene.images),
        sparse_points=len(scene.points_world),
        mean_error_px=round(float(np.mean(errors)), 4) if len(errors) else 0.0,
        dense_points=dense_points,
        faces=len(textured.mesh.faces),
        texture_pages=len(textured.pages),
    )


def _export_stats(start_wall: float, start_cpu: float) -> StageStats:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return StageStats("export", 1, 0, time.perf_counter() - start_wall, time.process_time() - start_cpu, peak)


def _retire_earlier(out: Path) -> tuple[OutputFile, ...]:
    """Take back the manifest of an earlier export, so that a half-written folder never looks finished."""
    if not (out / MANIFEST_NAME).exists():
        return ()
    try:
        files = read_manifest(out).outputs
    except InputError:
        files = ()
    with machine_errors(out / MANIFEST_NAME):
        (out / MANIFEST_NAME).unlink()
    return files


def _remove_stale(out: Path, earlier: tuple[OutputFile, ...], manifest: Manifest) -> None:
    """Remove what the earlier export wrote and this one did not, unless someone has changed it since."""
    current = {file.path for file in manifest.outputs}
    for file in earlier:
        path = out / file.path
        if file.path not in current and path.is_file() and sha256_of(path) == file.sha256:
            path.unlink()
