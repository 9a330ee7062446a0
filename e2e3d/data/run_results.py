"""What a finished job hands to export, report and the Python API: its records, and the facts of the run."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn, TypeVar

from e2e3d.data.dense import DepthMap, PointCloud, View, ViewGeometry
from e2e3d.data.features import Features, MatchBlock
from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.data.photo import Photo
from e2e3d.data.ref import Ref
from e2e3d.data.scene import Mapping
from e2e3d.data.stats import StageStats
from e2e3d.errors import InputError

RecordT = TypeVar("RecordT")


def not_computed(kind: type[RecordT]) -> Ref[RecordT]:
    """Stands for the result of a stage that a run was told to end before; loading it raises ``not-computed``."""

    def refuse() -> NoReturn:
        raise InputError(
            "not-computed",
            f"The run ended before it had made its {kind.__name__}.",
            "Compute it to its end: leave out until=.",
        )

    return Ref("none/none", kind).bound(refuse)


@dataclass(frozen=True)
class Results:
    """The records of a finished job; references are bound, and each is loaded only while it is written.

    Attributes:
        photos: every photograph that came in, unusable ones included, in input order.
        photo_files: the bytes of each of `photos`, in the same order (thumbnails of photographs without a view).
        mapped: the sparse scene and why photographs were left out; :attr:`mapping` loads it once.
        features: of each usable one of `photos`.
        matches: all blocks of verified matches; their pairs index the usable ones of `photos`.
        views: the undistorted views; in the same order `geometry`, which says what is known of them without their
            pixels, and `depths`, their final depth maps.
        cloud: the fused points; `mesh` the surface; `textured` its textured form.
    """

    photos: tuple[Photo, ...]
    photo_files: tuple[Ref[bytes], ...]
    mapped: Ref[Mapping]
    features: tuple[Ref[Features], ...]
    matches: tuple[Ref[MatchBlock], ...]
    views: tuple[Ref[View], ...]
    geometry: tuple[ViewGeometry, ...]
    depths: tuple[Ref[DepthMap], ...]
    cloud: Ref[PointCloud]
    mesh: Ref[Mesh]
    textured: Ref[TexturedMesh]

    @cached_property
    def mapping(self) -> Mapping:
        """The sparse scene and why photographs were left out."""
        return self.mapped.load()


@dataclass(frozen=True)
class RunFacts:
    """How the records were made.

    Attributes:
        quality: the preset's name.
        settings: every setting of every stage, ``{"depth": {"max_size_px": 768, ...}, ...}``, plain JSON values.
        seeds: the seeds used, by what they drive.
        stats: cost of each pass of a stage.
        started_at: ISO 8601 time, UTC.
        elapsed_s: wall time of the whole run until export.
    """

    quality: str
    settings: MappingABC[str, Any]
    stats: tuple[StageStats, ...]
    started_at: str
    elapsed_s: float
    seeds: MappingABC[str, int] = field(default_factory=dict)
