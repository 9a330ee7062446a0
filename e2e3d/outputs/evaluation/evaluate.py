"""``e2e3d evaluate``: a result folder against references of cameras, photographs and surface."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Camera
from e2e3d.errors import InputError, SettingsError
from e2e3d.ops.evaluation.camera_errors import CameraError, PoseError, align_cameras, camera_error, pose_errors
from e2e3d.ops.evaluation.rendering import Picture, Renderer
from e2e3d.ops.evaluation.rephotography import WIDTH_PX, rephotograph, view_score
from e2e3d.ops.evaluation.surface import SurfaceScore, f_score, surface_samples
from e2e3d.ops.formats.pictures import encode_jpeg
from e2e3d.ops.photos.decoding import decode_photo
from e2e3d.outputs.evaluation.evaluation_plot import PhotographScore, plot_evaluation
from e2e3d.outputs.evaluation.held_out import held_out_views
from e2e3d.outputs.evaluation.references import read_cameras, read_model, read_surface, read_textured
from e2e3d.runtime.record_table import RecordTable
from e2e3d.storage.atomic_files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class RephotographyScore:
    """Means over the photographs: `coverage`, `ncc`, and `score`, the mean of their products."""

    views: int
    coverage: float
    ncc: float
    score: float


@dataclass(frozen=True)
class Evaluation:
    """What was asked for; the rest is None. Positions are in the reference's unit, angles in degrees.

    `rephotography` is of the photographs that the model was made from, `held_out` of those that were left out.
    `per_camera` and `per_view` are what these figures summarise, a row each, and are no part of the JSON.
    """

    cameras: CameraError | None = None
    rephotography: RephotographyScore | None = None
    held_out: RephotographyScore | None = None
    cloud: tuple[SurfaceScore, ...] | None = None
    mesh: tuple[SurfaceScore, ...] | None = None
    per_camera: RecordTable[PoseError] = dataclasses.field(default_factory=RecordTable)
    per_view: RecordTable[PhotographScore] = dataclasses.field(default_factory=RecordTable)

    def plot(self) -> Figure:
        """Every figure as a chart, with matplotlib. Raises MachineError ``missing-package`` where that is missing."""
        return plot_evaluation(self.per_camera, self.per_view, {"dense cloud": self.cloud, "mesh": self.mesh})

    def __repr__(self) -> str:
        parts = []
        if self.cameras is not None:
            parts.append(f"camera position error {self.cameras.position_median:.3g}")
        for name, r in (("rephotography", self.rephotography), ("held out", self.held_out)):
            if r is not None:
                parts.append(f"{name} {r.score:.3f}")
        for name, scores in (("cloud", self.cloud), ("mesh", self.mesh)):
            if scores is not None:
                parts.append(f"{name} F-score " + "/".join(f"{score.f_score:.3f}" for score in scores))
        return f"Evaluation({', '.join(parts)})"

    def to_json(self) -> str:
        """One line of JSON."""
        document: dict[str, Any] = {}
        if self.cameras is not None:
            document["cameras"] = dataclasses.asdict(self.cameras)
        for name, score in (("rephotography", self.rephotography), ("held_out", self.held_out)):
            if score is not None:
                document[name] = dataclasses.asdict(score)
        for name, scores in (("cloud", self.cloud), ("mesh", self.mesh)):
            if scores is not None:
                document[name] = [dataclasses.asdict(score) | {"f_score": score.f_score} for score in scores]
        return json.dumps(_rounded(document))

    def to_table(self) -> str:
        """The same for people."""
        lines = []
        if self.cameras is not None:
            c = self.cameras
            lines += [
                f"cameras         {c.registered} of {c.expected} in both",
                f"  position      median {c.position_median:.5g}, largest {c.position_max:.5g} (unit of the reference)",
                f"  rotation      median {c.rotation_median_deg:.4f}°, largest {c.rotation_max_deg:.4f}°",
            ]
        for name, r in (("rephotography", self.rephotography), ("held out", self.held_out)):
            if r is not None:
                lines += [
                    f"{name:<15} score {r.score:.4f} over {r.views} photographs",
                    f"  coverage      {r.coverage:.4f}   correlation {r.ncc:.4f}",
                ]
        for name, scores in (("dense cloud", self.cloud), ("mesh", self.mesh)):
            if scores is not None:
                lines += [f"{name:<15} precision   recall  F-score", *map(_score_line, scores)]
        return "\n".join(lines)


def evaluate(
    out: Path,
    cameras: Path | None = None,
    photos: Path | None = None,
    surface: Path | None = None,
    dump: Path | None = None,
    held_out: bool = False,
) -> Evaluation:
    """Judge the result in `out` against every reference given.

    Args:
        out: a result folder (``sparse/``, ``model.glb``, ``dense.ply``, ``mesh.ply``).
        cameras: reference poses, in any format of :func:`~e2e3d.outputs.evaluation.references.read_cameras`.
        photos: folder of the photographs themselves, for virtual rephotography.
        surface: folder of an exact surface with its cameras in ``gt_model/``.
        dump: where to write each photograph beside its rendering.
        held_out: also score the photographs in `photos` that are not part of the result, at the poses that `cameras`
            has for them.

    Raises:
        SettingsError: when no reference is given, or not what `held_out` needs.
        InputError: when something cannot be read or compared.
    """
    if cameras is None and photos is None and surface is None:
        raise SettingsError(
            "no-reference", "There is nothing to compare with.", "Give --cameras, --photos or --surface (or several)."
        )
    if not (out / "sparse").is_dir():
        raise InputError("no-result", f"{out} holds no cameras (no sparse folder).", "Give a result folder.")
    if held_out and (cameras is None or photos is None):
        raise SettingsError(
            "no-reference",
            "Scoring photographs that were left out needs them, and their poses.",
            "Give --photos with all photographs, and --cameras with poses of used and left-out ones.",
        )
    cloud, mesh = surface_scores(out, surface) if surface is not None else (None, None)
    left_out: tuple[PhotographScore, ...] = ()
    if held_out and cameras is not None and photos is not None:
        views = held_out_views(out / "sparse", cameras, photos)
        left_out = photograph_scores(_file(out, "model.glb"), views, photos, dump=dump, held_out=True)
    used: tuple[PhotographScore, ...] = ()
    if photos is not None:
        used = photograph_scores(_file(out, "model.glb"), read_model(out / "sparse"), photos, dump=dump)
    poses = None if cameras is None else (read_cameras(out / "sparse"), read_cameras(cameras))
    return Evaluation(
        cameras=None if poses is None else camera_error(*poses),
        rephotography=_mean_score(used) if used else None,
        held_out=_mean_score(left_out) if left_out else None,
        cloud=cloud,
        mesh=mesh,
        per_camera=RecordTable(() if poses is None else pose_errors(*poses)),
        per_view=RecordTable((*used, *left_out)),
    )


def rephotography_score(
    model: Path,
    views: Mapping[str, tuple[Camera, NDArray[np.float64]]],
    photos: Path,
    width_px: int = WIDTH_PX,
    dump: Path | None = None,
) -> RephotographyScore:
    """The means of :func:`photograph_scores`, whose arguments and errors these are."""
    return _mean_score(photograph_scores(model, views, photos, width_px, dump))


def photograph_scores(
    model: Path,
    views: Mapping[str, tuple[Camera, NDArray[np.float64]]],
    photos: Path,
    width_px: int = WIDTH_PX,
    dump: Path | None = None,
    held_out: bool = False,
) -> tuple[PhotographScore, ...]:
    """Render `model` from `views` (camera and cam_from_world by photograph) and compare with those in `photos`.

    Raises:
        InputError: ``no-photographs`` when none of the photographs is there.
    """
    chosen = [(name, camera, pose) for name, (camera, pose) in views.items() if (photos / name).is_file()]
    if not chosen:
        raise InputError(
            "no-photographs", f"{photos} holds none of the photographs of {model.parent}.", "Give their own folder."
        )
    renderer = Renderer(read_textured(model))
    scores = []
    for name, camera, pose in chosen:
        photograph = decode_photo((photos / name).read_bytes()).image
        picture = rephotograph(renderer, camera, pose, width_px)
        score = view_score(picture, photograph)
        scores.append(PhotographScore(name, held_out, score.coverage, score.ncc, score.score))
        if dump is not None:
            write_bytes(dump / f"{name.replace('/', '__')}.jpg", _side_by_side(photograph, picture))
    return tuple(scores)


def _mean_score(scores: Sequence[PhotographScore]) -> RephotographyScore:
    return RephotographyScore(
        views=len(scores),
        coverage=float(np.mean([score.coverage for score in scores])),
        ncc=float(np.mean([score.ncc for score in scores])),
        score=float(np.mean([score.score for score in scores])),
    )


def surface_scores(out: Path, surface: Path) -> tuple[tuple[SurfaceScore, ...], tuple[SurfaceScore, ...]]:
    """Scores of ``dense.ply`` and ``mesh.ply``, aligned by their cameras and then by ICP."""
    import open3d as o3d

    reference = read_surface(surface)
    similarity = align_cameras(read_cameras(out / "sparse"), read_cameras(surface / "gt_model"))
    points = np.asarray(o3d.io.read_point_cloud(str(_file(out, "dense.ply"))).points)
    mesh = read_textured(_file(out, "mesh.ply")).mesh
    return (
        f_score(similarity.apply(points), reference, refine=True),
        f_score(similarity.apply(surface_samples(mesh)), reference, refine=True),
    )


def _file(out: Path, name: str) -> Path:
    if not (out / name).is_file():
        raise InputError("no-result", f"{out} has no {name}.", "Give the folder of a finished result.")
    return out / name


def _side_by_side(photograph: Any, picture: Picture) -> bytes:
    import cv2

    height, width = picture.depth.shape
    small = cv2.resize(photograph, (width, height), interpolation=cv2.INTER_AREA)
    return encode_jpeg(np.hstack([small, picture.image]))


def _score_line(score: SurfaceScore) -> str:
    threshold = f"  {score.threshold:g} pixels"
    return f"{threshold:<15} {score.precision:9.4f} {score.recall:8.4f} {score.f_score:8.4f}"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _rounded(entry) for name, entry in value.items()}
    return [_rounded(entry) for entry in value] if isinstance(value, list) else value
