"""How much work there is, and what it costs: the terms in which every stage describes its memory, time and disk."""

from __future__ import annotations

from dataclasses import dataclass

TYPICAL_MEGAPIXELS = 12.0
"""Of a photograph, where nothing is known about it yet."""

LIBRARIES_BYTES = 330e6
"""Resident memory of a worker that has loaded the libraries of the first stages, and nothing else."""
KERNELS_BYTES = 470e6
"""The same of one that has gone on to stereo, and holds its kernels too."""
SURFACE_BYTES = 600e6
"""The same of one that has gone on to the surface, and has loaded Open3D too."""
KEYPOINT_BYTES = 147
"""Of a stored keypoint with its descriptor and colour."""
DEPTH_BYTES = 20
"""Of a pixel of a stored depth map."""
VIEW_BYTES = 3
"""Of a pixel of a stored view without a mask."""
POINT_BYTES = 72
"""Of a point of a stored cloud, with about seven views that agree on it."""

FACE_BYTES = 19.5
"""Of a face of a stored mesh, which has half as many vertices."""
_MOST_RESIDENT_BYTES = 600e6


@dataclass(frozen=True)
class Workload:
    """Sizes of what one unit of a stage works on, or of a whole job; 0 where a stage does not depend on it.

    Attributes:
        photos: how many photographs, or views of them.
        photo_mp: megapixels of the largest photograph as it came.
        view_mp: megapixels of the largest view, which are those of its depth map.
        keypoints: of a photograph, at most.
        pairs: how many pairs of photographs to match.
        points: of the fused cloud.
        faces: of the mesh.
    """

    photos: int = 0
    photo_mp: float = 0.0
    view_mp: float = 0.0
    keypoints: int = 0
    pairs: float = 0.0
    points: float = 0.0
    faces: float = 0.0


@dataclass(frozen=True)
class Cost:
    """What a stage takes for a workload.

    Time is that of a core of the machine of benchmarks/RESULTS.md; `python benchmarks/rates.py` compares all of it with
    finished runs.

    Attributes:
        memory_bytes: peak resident memory of the process that computes the largest unit, its libraries included;
            0 = unknown.
        cpu_s: seconds of CPU of all units.
        fixed_s: seconds that pass beside them, on however many cores.
        parallel: whether several cores share `cpu_s`.
        alone: whether one unit does everything, so that no other runs beside it.
        disk_bytes: what its results take in the artifact store.
    """

    memory_bytes: float = 0.0
    cpu_s: float = 0.0
    fixed_s: float = 0.0
    parallel: bool = True
    alone: bool = False
    disk_bytes: float = 0.0

    def wall_s(self, cores: int) -> float:
        """Seconds that it takes on so many cores."""
        return self.fixed_s + self.cpu_s / (max(1, cores) if self.parallel else 1)


def resident_bytes(work: Workload) -> float:
    """Pages of the cloud's parts, in files and in Ray's object store, that count as a process's memory once touched."""
    return min(3 * POINT_BYTES * work.points, _MOST_RESIDENT_BYTES)


def megapixels(longest_px: float) -> float:
    """Of a picture of 3 : 2 with that longest side."""
    return longest_px * longest_px / 1.5e6
