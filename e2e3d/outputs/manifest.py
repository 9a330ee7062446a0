"""``manifest.json``: what was made, from what, how, and at what cost. It is written last: where it is, all is.

The fields of :class:`Manifest` are the schema; ``format`` is raised when a field changes its meaning or goes.
"""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from e2e3d.data.judgement import Judgement, JudgementSigns, Reason
from e2e3d.data.scene import Remark
from e2e3d.data.stats import StageStats
from e2e3d.errors import InputError
from e2e3d.outputs.photo_states import PhotoState

MANIFEST_NAME = "manifest.json"
_FORMAT = 1
_NAMES_OF_SIGNS = ("disagreeing_photographs", "lacking_photographs")
_LIBRARIES = ("numba", "numpy", "open3d", "open3d-cpu", "opencv-python-headless", "pycolmap", "ray", "scipy", "torch")


@dataclass(frozen=True)
class OutputFile:
    """One file of the result; `path` is relative to the result folder, with forward slashes."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Counts:
    """How much of everything: `mean_error_px` is the mean reprojection error of the sparse points."""

    photographs: int
    registered: int
    sparse_points: int
    mean_error_px: float
    dense_points: int
    faces: int
    texture_pages: int


@dataclass(frozen=True)
class Manifest:
    """The facts of a result.

    Attributes:
        e2e3d: version of this package; `libraries` versions of those that decide results; `python` and `machine`.
        quality: preset; `settings` every setting of every stage; `seeds` by what they drive.
        started_at: ISO 8601, UTC; `elapsed_s` wall time of the run including export.
        stages: cost of each stage, in order.
        photographs: what came in, with hashes, and what became of each.
        outputs: every file of the result except this one.
        frame: ``georeferenced``, ``metric``, ``upright`` or ``arbitrary`` (see :class:`~e2e3d.data.scene.Scene`).
        unit: ``metre`` or ``arbitrary``.
        georeference: ``origin_wgs84`` (degrees, degrees, metres), ``epsg``, ``origin_projected_m``, ``rms_error_m`` and
            the other fields of :class:`~e2e3d.data.scene.Georeference`.
        remarks: what should be known of the frame and the cameras, such as why GPS positions were not used, lenses that
            were told apart, cropped pictures, focal lengths that were held; with the photographs.
        component_sizes: photographs in each connected part that was found; the first one became the model.
        judgement: what the result is worth, and why; None in results of versions that did not judge.
    """

    quality: str
    settings: Mapping[str, Any]
    seeds: Mapping[str, int]
    started_at: str
    elapsed_s: float
    counts: Counts
    frame: str
    unit: str
    georeference: Mapping[str, Any] | None
    component_sizes: tuple[int, ...]
    stages: tuple[StageStats, ...]
    photographs: tuple[PhotoState, ...]
    outputs: tuple[OutputFile, ...]
    remarks: tuple[Remark, ...] = ()
    judgement: Judgement | None = None
    e2e3d: str = field(default_factory=lambda: metadata.version("e2e3d"))
    libraries: Mapping[str, str] = field(default_factory=lambda: library_versions())
    python: str = field(default_factory=platform.python_version)
    machine: str = field(default_factory=platform.platform)
    format: int = _FORMAT

    def to_json(self) -> bytes:
        """The manifest as indented UTF-8 JSON."""
        return json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False).encode() + b"\n"


def library_versions() -> dict[str, str]:
    """Versions of the installed libraries that decide results."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def same_maker(manifest: Manifest) -> bool:
    """Whether this version of the package, with the same libraries, wrote it."""
    return (manifest.e2e3d, manifest.libraries) == (metadata.version("e2e3d"), library_versions())


def read_manifest(out: Path) -> Manifest:
    """Read the manifest of a result folder.

    Raises:
        InputError: ``no-result`` if the folder holds none, ``bad-manifest`` if it cannot be understood.
    """
    path = out / MANIFEST_NAME
    if not path.is_file():
        raise InputError(
            "no-result", f"{out} holds no finished result (no {MANIFEST_NAME}).", "Give the folder that -o named."
        )
    try:
        return _from_document(json.loads(path.read_bytes()))
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            "bad-manifest", f"{path} cannot be understood: {error}.", "Was it made by another version of E2E3D?"
        ) from error


def _from_document(document: dict[str, Any]) -> Manifest:
    if document["format"] != _FORMAT:
        raise ValueError(f"it has format {document['format']}, this version reads {_FORMAT}")
    return Manifest(
        **document
        | {
            "counts": Counts(**document["counts"]),
            "component_sizes": tuple(document["component_sizes"]),
            "stages": tuple(StageStats(**entry) for entry in document["stages"]),
            "photographs": tuple(
                PhotoState(**entry | {"remarks": tuple(entry["remarks"])}) for entry in document["photographs"]
            ),
            "remarks": tuple(
                Remark(**entry | {"photographs": tuple(entry["photographs"])}) for entry in document.get("remarks", ())
            ),
            "outputs": tuple(OutputFile(**entry) for entry in document["outputs"]),
            "judgement": _judgement(document.get("judgement")),
        }
    )


def _judgement(document: dict[str, Any] | None) -> Judgement | None:
    if document is None:
        return None
    signs = document["signs"]
    return Judgement(
        document["verdict"],
        tuple(Reason(**entry) for entry in document["reasons"]),
        None
        if signs is None
        else JudgementSigns(**signs | {name: tuple(signs.get(name, ())) for name in _NAMES_OF_SIGNS}),
    )
