"""Fusion: the depth maps of a block of views become coloured, oriented points; then the blocks become one cloud."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from e2e3d.config.fusion import HELD_PX, FusionConfig, fusion_cost, merge_cost
from e2e3d.config.workload import DEPTH_BYTES, POINT_BYTES, Workload
from e2e3d.data.dense import DepthMap, PointCloud, View
from e2e3d.data.ref import Ref
from e2e3d.ops.fusion.fusion_view import FusionView, prepare_view
from e2e3d.ops.fusion.point_fusion import MAX_NEIGHBOURS, concatenate_clouds, fuse_view, merge_clouds
from e2e3d.runtime.threads import import_ahead
from e2e3d.stages.stage import RunContext, Stage, StoredInputs


@dataclass(frozen=True)
class FusionInputs:
    """A block of views and the neighbours that they are checked against.

    Attributes:
        views, depths: of the same photographs; the first `owned` are those this block makes points for.
        neighbours: for each owned view, positions in `views` to check it against.
    """

    views: tuple[Ref[View], ...]
    depths: tuple[Ref[DepthMap], ...]
    owned: int
    neighbours: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class FusionBlock:
    """Which views one unit takes: positions in the list of all views, the owned ones first.

    `neighbours` are positions in `views`, one tuple for each owned view.
    """

    views: tuple[int, ...]
    owned: int
    neighbours: tuple[tuple[int, ...], ...]

    def inputs(self, views: Sequence[Ref[View]], depths: Sequence[Ref[DepthMap]]) -> FusionInputs:
        """The unit's inputs, picked from the references of all views."""
        return FusionInputs(
            tuple(views[i] for i in self.views), tuple(depths[i] for i in self.views), self.owned, self.neighbours
        )


@dataclass(frozen=True)
class MergeConfig:
    """Merging has no settings."""


@dataclass(frozen=True)
class MergeInputs:
    """The clouds of all blocks, in the order of the blocks."""

    clouds: tuple[Ref[PointCloud], ...]


class _Clouds(Sequence[PointCloud]):
    """The clouds of all blocks, loaded each time that they are asked for."""

    def __init__(self, inputs: MergeInputs) -> None:
        self._refs = inputs.clouds

    def __len__(self) -> int:
        return len(self._refs)

    @overload
    def __getitem__(self, index: int) -> PointCloud: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[PointCloud]: ...

    def __getitem__(self, index: int | slice) -> PointCloud | Sequence[PointCloud]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._refs[index].load()


def plan_blocks(
    image_indices: Sequence[int], sources: Sequence[Sequence[int]], block_views: int = 8, max_neighbours: int = 20
) -> tuple[FusionBlock, ...]:
    """Split views into blocks of consecutive ones, as even as can be, each with the neighbours it needs.

    Neighbours are a view's stereo sources and the views whose source it is, then their neighbours, until there are
    `max_neighbours`: views further around see the same surface, and it should come out once.

    Args:
        image_indices: ``view.image_index`` of every view.
        sources: ``view.sources`` of every view, best first; sources that are not in `image_indices` are left out.
        block_views: views that one block makes points for, at most.
        max_neighbours: most neighbours of one view; never below the number of its stereo sources.
    """
    neighbours = _neighbours(image_indices, sources, min(max_neighbours, MAX_NEIGHBOURS))
    blocks = []
    count = len(image_indices)
    edges = np.linspace(0, count, -(-count // block_views) + 1).astype(int).tolist()
    for first, end in itertools.pairwise(edges):
        owned = range(first, end)
        around = sorted({j for i in owned for j in neighbours[i]} - set(owned))
        views = (*owned, *around)
        position = {view: k for k, view in enumerate(views)}
        blocks.append(FusionBlock(views, len(owned), tuple(tuple(position[j] for j in neighbours[i]) for i in owned)))
    return tuple(blocks)


def _neighbours(
    image_indices: Sequence[int], sources: Sequence[Sequence[int]], max_neighbours: int
) -> list[tuple[int, ...]]:
    """Positions of the neighbours of every view: the direct ones first, in a deterministic order."""
    position = {image: k for k, image in enumerate(image_indices)}
    direct: list[list[int]] = [[position[s] for s in of_view if s in position] for of_view in sources]
    for i, of_view in enumerate([list(d) for d in direct]):
        for j in of_view:
            if i not in direct[j]:
                direct[j].append(i)
    result = []
    for i, near in enumerate(direct):
        ordered = dict.fromkeys(near)
        for j in near:
            ordered.update(dict.fromkeys(direct[j]))
        ordered.pop(i, None)
        result.append(tuple(ordered)[: max(max_neighbours, min(len(near), MAX_NEIGHBOURS))])
    return result


def run(inputs: FusionInputs, config: FusionConfig, context: RunContext) -> PointCloud:
    """Fuse the points of the owned views; a few views are held ready, those that were used last."""
    held: OrderedDict[int, FusionView] = OrderedDict()

    def view(position: int) -> FusionView:
        if position not in held:
            held[position] = prepare_view(inputs.views[position].load(), inputs.depths[position].load())
        held.move_to_end(position)
        while len(held) > 1 and sum(one.depth.size for one in held.values()) > HELD_PX:
            held.popitem(last=False)
        return held[position]

    clouds = [
        fuse_view(view(reference), map(view, neighbours), config, context.threads)
        for reference, neighbours in enumerate(inputs.neighbours[: inputs.owned])
    ]
    return concatenate_clouds(clouds)


def run_merge(inputs: MergeInputs, config: MergeConfig, context: RunContext) -> PointCloud:
    """Join the clouds of all blocks.

    Raises:
        ReconstructionError: `no-dense-points` if all are empty.
    """
    import_ahead("open3d")  # for the mesh, which mostly follows in this process; merging takes one core
    return merge_clouds(_Clouds(inputs))


def points_of(clouds: Iterable[Ref[PointCloud]], stored: StoredInputs) -> float:
    """About how many points clouds have together, by the sizes of what is stored."""
    return sum(stored.size_bytes(ref) for ref in clouds) / POINT_BYTES


def largest_view_mp(depths: Iterable[Ref[DepthMap]], stored: StoredInputs) -> float:
    """Megapixels of the largest depth map, by the sizes of what is stored."""
    return max((stored.size_bytes(ref) for ref in depths), default=0) / DEPTH_BYTES / 1e6


def _workload(inputs: FusionInputs, stored: StoredInputs) -> Workload:
    return Workload(photos=len(inputs.views), view_mp=largest_view_mp(inputs.depths, stored))


STAGE = Stage(
    name="fusion",
    version=10,
    config=FusionConfig,
    output=PointCloud,
    run=run,
    workload=_workload,
    cost=fusion_cost,
)

MERGE_STAGE = Stage(
    name="merge",
    version=1,
    config=MergeConfig,
    output=PointCloud,
    run=run_merge,
    workload=lambda inputs, stored: Workload(points=points_of(inputs.clouds, stored)),
    cost=merge_cost,
)
