"""Mesh: the fused cloud becomes a clean triangle mesh that is open where nothing was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from e2e3d.config.mesh import MeshConfig, mesh_cost
from e2e3d.config.workload import Workload
from e2e3d.data.dense import DepthMap, PointCloud, View
from e2e3d.data.mesh import Mesh
from e2e3d.data.ref import Ref
from e2e3d.ops.mesh.meshing import build_mesh
from e2e3d.stages.fusion import largest_view_mp, points_of
from e2e3d.stages.stage import Resources, RunContext, Stage, StoredInputs


@dataclass(frozen=True)
class MeshInputs:
    """The fused cloud, and the views with their depth maps that tell which space was seen through."""

    cloud: Ref[PointCloud]
    views: tuple[Ref[View], ...]
    depths: tuple[Ref[DepthMap], ...]


class _Observations(Sequence[tuple[View, DepthMap]]):
    """Views with their depth, loaded each time that they are asked for."""

    def __init__(self, inputs: MeshInputs) -> None:
        self._pairs = tuple(zip(inputs.views, inputs.depths, strict=True))

    def __len__(self) -> int:
        return len(self._pairs)

    @overload
    def __getitem__(self, index: int) -> tuple[View, DepthMap]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[View, DepthMap]]: ...

    def __getitem__(self, index: int | slice) -> tuple[View, DepthMap] | Sequence[tuple[View, DepthMap]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        view, depth_map = self._pairs[index]
        return view.load(), depth_map.load()


def load_observations(inputs: MeshInputs) -> Sequence[tuple[View, DepthMap]]:
    """The views with their depth maps; each is loaded every time that it is asked for."""
    return _Observations(inputs)


def run(inputs: MeshInputs, config: MeshConfig, context: RunContext) -> Mesh:
    """Build the mesh; views are loaded one at a time."""
    return build_mesh(inputs.cloud.load(), load_observations(inputs), config, context.threads)


def _workload(inputs: MeshInputs, stored: StoredInputs) -> Workload:
    view_mp, points = largest_view_mp(inputs.depths, stored), points_of([inputs.cloud], stored)
    return Workload(photos=len(inputs.views), view_mp=view_mp, points=points)


STAGE = Stage(
    name="mesh",
    version=17,
    config=MeshConfig,
    output=Mesh,
    run=run,
    resources=Resources(cpus=0),
    workload=_workload,
    cost=mesh_cost,
)
