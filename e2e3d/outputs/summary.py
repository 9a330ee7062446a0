"""``e2e3d info``: what came out of a run, in a screenful."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2e3d.data.judgement import Judgement
from e2e3d.data.scene import Remark
from e2e3d.outputs.manifest import Manifest

_MAIN_FILES = {
    "model.glb": "textured model",
    "model.obj": "textured model",
    "mesh.ply": "mesh",
    "dense.ply": "dense cloud",
    "dense.laz": "dense cloud, georeferenced",
    "sparse/images.bin": "cameras (COLMAP model in sparse/)",
    "cameras.json": "cameras",
    "report.html": "report",
}


def fit_words(georeference: Mapping[str, Any]) -> str:
    """How well cameras fit their GPS positions, from the manifest's georeference."""
    horizontal, vertical = georeference.get("horizontal_error_m"), georeference.get("vertical_error_m")
    if horizontal is None:
        return f"{georeference['rms_error_m']:.2f} m"
    if vertical is None:
        return f"{horizontal:.2f} m horizontally, no heights"
    return f"{horizontal:.2f} m horizontally, {vertical:.2f} m in height"


def in_words(remark: Remark) -> str:
    """The sentences of a remark, and how many photographs it is about."""
    count = len(remark.photographs)
    return remark.message + (f" ({count} photograph{'s' if count > 1 else ''})" if count else "")


def summary(manifest: Manifest) -> str:
    """A few lines of text for a terminal."""
    counts = manifest.counts
    lines = [
        f"E2E3D {manifest.e2e3d} result, quality {manifest.quality}, started {manifest.started_at}",
        *_judgement_lines(manifest.judgement),
        f"  photographs  {counts.registered} of {counts.photographs} in the model",
        f"  sparse       {counts.sparse_points:,} points, mean reprojection error {counts.mean_error_px:.2f} px",
        f"  dense        {counts.dense_points:,} points",
        f"  mesh         {counts.faces:,} faces, {counts.texture_pages} texture pages",
        f"  frame        {manifest.frame}, unit {manifest.unit}",
    ]
    if manifest.georeference is not None:
        latitude, longitude, height = manifest.georeference["origin_wgs84"]
        lines.append(
            f"  on Earth     {latitude:.6f}, {longitude:.6f}, {height:.1f} m; EPSG:{manifest.georeference['epsg']}, "
            f"fits GPS to {fit_words(manifest.georeference)}"
        )
    lines += [f"  remark       {in_words(remark)}" for remark in manifest.remarks]
    cpu_s = sum(stage.cpu_s for stage in manifest.stages)
    peak = max((stage.peak_memory_bytes for stage in manifest.stages), default=0)
    lines.append(f"  cost         {manifest.elapsed_s:.0f} s, {cpu_s:.0f} CPU s, at most {peak / 1e9:.1f} GB a process")
    lost = [photo for photo in manifest.photographs if photo.state != "registered"]
    if lost:
        lines += ["Photographs that are not part of the model:", *(f"  {photo.name}: {photo.reason}" for photo in lost)]
    sizes = {file.path: file.size_bytes for file in manifest.outputs}
    lines.append("Files:")
    lines += [
        f"  {name:<18} {sizes[name] / 1e6:8.1f} MB  {what}" for name, what in _MAIN_FILES.items() if name in sizes
    ]
    return "\n".join(lines)


def reason_lines(judgement: Judgement) -> list[str]:
    """The reasons for doubt, two lines each."""
    return [
        line for reason in judgement.reasons for line in (f"  [{reason.code}] {reason.message}", f"    {reason.action}")
    ]


def _judgement_lines(judgement: Judgement | None) -> list[str]:
    if judgement is None:
        return []
    return [f"  judgement    {judgement.verdict}", *(f"  {line}" for line in reason_lines(judgement))]
