"""Mutual nearest neighbours of descriptors with Lowe's ratio test, as an exact integer matrix product.

Descriptors are bytes of norm 512, so their scalar product gives the angle between them. The products are formed by
torch's 8-bit matrix multiplication with 32-bit sums on the GPU (tensor cores) and on a CPU that has instructions for it
(AVX-512 VNNI). On any other CPU that is sixteen times slower than float32, which is exact here too, since no sum
reaches 2^24: NumPy multiplies there, as fast as torch, which takes seconds to import and is not needed then. Tiles
bound the memory, and stay in a CPU's cache. All ways return the same matches.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit

if TYPE_CHECKING:
    import torch

TILE_ROWS, TILE_COLUMNS = 512, 512
GPU_TILE_ROWS = 8192
_OFFSET = 128  # unsigned to signed bytes
_NORM_SQUARED = 512.0**2
_LANES = 64  # of a row's two best side by side
_ROW_MULTIPLE = 32  # the GPU's multiplication takes no fewer than 17 rows, and columns in eights
_NONE = -1  # less than any score


class DescriptorSet:
    """Descriptors of one photograph in the form that its processor multiplies fastest.

    Args:
        descriptors: uint8 [N, 128].
        device: ``cpu`` or ``cuda``.

    Attributes:
        count: N.
        values: torch int8 [N rounded up, 128], 128 less than the descriptors; or NumPy float32, the descriptors
            themselves.
        offsets: int32 [N rounded up] of the same library, what a product of two rows of `values` lacks, as a sum of one
            number for either row; zeros in float32.
    """

    def __init__(self, descriptors: NDArray[np.uint8], device: str) -> None:
        assert descriptors.shape[1:] == (128,)
        assert descriptors.dtype == np.uint8
        self.count = len(descriptors)
        self.values: Any
        self.offsets: Any
        padded = np.zeros((_round_up(self.count), 128), np.uint8)
        padded[: self.count] = descriptors
        if device == "cpu" and not multiplies_bytes():
            self.values = padded.astype(np.float32)
            self.offsets = np.zeros(len(padded), np.int32)
            return
        import torch

        signed = (padded.astype(np.int16) - _OFFSET).astype(np.int8)
        self.values = torch.from_numpy(signed).to(device)
        # (a + 128)·(b + 128) = a·b + 128 Σa + 128 Σb + 128³; half of the constant goes to either side
        sums = _OFFSET * signed.astype(np.int32).sum(axis=1) + _OFFSET**3 // 2
        self.offsets = torch.from_numpy(sums.astype(np.int32)).to(device)


def _round_up(count: int) -> int:
    return -(-count // _ROW_MULTIPLE) * _ROW_MULTIPLE


def mutual_matches(
    first: DescriptorSet, second: DescriptorSet, max_ratio: float, max_distance_rad: float
) -> NDArray[np.uint32]:
    """Indices of descriptors that are each other's nearest neighbour and clearly nearer than the next.

    Args:
        first: of the first photograph.
        second: of the second photograph, on the same device.
        max_ratio: angle to the nearest over angle to the next, in both directions, must be below it.
        max_distance_rad: largest angle to the nearest.

    Returns:
        uint32 [M, 2], sorted by the first index.
    """
    if first.count < 2 or second.count < 2:
        return np.zeros((0, 2), np.uint32)
    on_gpu = not isinstance(first.values, np.ndarray) and first.values.is_cuda
    rows, columns = (_nearest_two_gpu if on_gpu else _nearest_two_cpu)(first, second)
    row_best, row_next, row_index = rows
    column_best, column_next, column_index = columns
    i = np.arange(first.count)
    keep = column_index[row_index] == i
    keep &= _passes(row_best, row_next, max_ratio, max_distance_rad)
    keep &= _passes(column_best, column_next, max_ratio, max_distance_rad)[row_index]
    return np.stack([i[keep], row_index[keep]], axis=1).astype(np.uint32)


Scores = NDArray[np.int32] | NDArray[np.float32]
Ints = NDArray[np.int32]
NearestTwo = tuple[Scores, Scores, Ints]
"""Best score, next score and index of the best, per descriptor."""


def _passes(best: Scores, following: Scores, max_ratio: float, max_distance_rad: float) -> NDArray[np.bool_]:
    angle = np.arccos(np.clip(best / _NORM_SQUARED, -1, 1))
    next_angle = np.arccos(np.clip(following / _NORM_SQUARED, -1, 1))
    return np.asarray((angle < max_ratio * next_angle) & (angle <= max_distance_rad))


@cache
def multiplies_bytes() -> bool:
    """Whether this CPU has instructions for products of bytes that torch uses, as far as the system reports."""
    try:
        flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):
        return False
    return "avx512_vnni" in flags.split()


def _nearest_two_cpu(first: DescriptorSet, second: DescriptorSet) -> tuple[NearestTwo, NearestTwo]:
    floats = isinstance(first.values, np.ndarray)
    row_offsets, column_offsets = np.asarray(first.offsets), np.asarray(second.offsets)
    rows, columns = _nothing_yet(first.count), _nothing_yet(second.count)
    for top in range(0, first.count, TILE_ROWS):
        band = first.values[top : top + TILE_ROWS]
        height = min(TILE_ROWS, first.count - top)
        for left in range(0, second.count, TILE_COLUMNS):
            part = slice(left, min(left + TILE_COLUMNS, second.count))
            products = _multiply(band, second.values[left : left + TILE_COLUMNS])[:height, : part.stop - left]
            of_rows = tuple(values[top : top + height] for values in rows)
            of_columns = tuple(values[part] for values in columns)
            _reduce_tile(products, row_offsets[top:], column_offsets[part], top, left, *of_rows, *of_columns)
    return (_as_floats(rows), _as_floats(columns)) if floats else (rows, columns)


def _multiply(rows: Any, columns: Any) -> Ints:
    """Scalar products of all rows of either array; of float32 their bits: positive floats are ordered like these."""
    if isinstance(rows, np.ndarray):
        bits: Ints = (rows @ columns.T).view(np.int32)
        return bits
    import torch

    return np.asarray(torch._int_mm(rows, columns.T))


def _nothing_yet(count: int) -> tuple[Ints, Ints, Ints]:
    return np.full(count, _NONE, np.int32), np.full(count, _NONE, np.int32), np.zeros(count, np.int32)


def _as_floats(found: tuple[Ints, Ints, Ints]) -> NearestTwo:
    return found[0].view(np.float32), found[1].view(np.float32), found[2]


@njit(cache=True, boundscheck=False)
def _reduce_tile(
    products: Ints,
    row_offsets: Ints,
    column_offsets: Ints,
    top: int,
    left: int,
    row_best: Ints,
    row_next: Ints,
    row_index: Ints,
    column_best: Ints,
    column_next: Ints,
    column_index: Ints,
) -> None:
    """Fold the tile of products from row `top` and column `left` on into the two best of its rows and columns.

    Each inner loop writes few arrays: with more, the compiler gives up telling them apart, and does not vectorise.
    """
    columns = column_best.shape[0]
    line = np.full(-(-columns // _LANES) * _LANES, _NONE, np.int32)
    lane_best, lane_next = np.empty(_LANES, np.int32), np.empty(_LANES, np.int32)
    for i in range(products.shape[0]):
        product, offset, row = products[i], row_offsets[i], np.int32(top + i)
        for j in range(columns):
            line[j] = product[j] + offset + column_offsets[j]
        for j in range(columns):
            column_index[j] = row if line[j] > column_best[j] else column_index[j]
        for j in range(columns):
            s, best = line[j], column_best[j]
            column_next[j] = max(column_next[j], min(s, best))
            column_best[j] = max(s, best)
        lane_best[:] = _NONE
        lane_next[:] = _NONE
        for block in range(0, line.shape[0], _LANES):
            part = line[block : block + _LANES]
            for k in range(_LANES):
                s, best = part[k], lane_best[k]
                lane_next[k] = max(lane_next[k], min(s, best))
                lane_best[k] = max(s, best)
        largest, following = row_best[i], row_next[i]
        for k in range(_LANES):
            following = max(following, max(lane_next[k], min(lane_best[k], largest)))
            largest = max(largest, lane_best[k])
        if largest > row_best[i]:
            j = 0
            while line[j] != largest:
                j += 1
            row_index[i] = left + j
        row_best[i], row_next[i] = largest, following


def _nearest_two_gpu(first: DescriptorSet, second: DescriptorSet) -> tuple[NearestTwo, NearestTwo]:
    import torch

    row_parts: list[tuple[torch.Tensor, torch.Tensor]] = []
    column_scores, column_rows = [], []
    for start in range(0, first.count, GPU_TILE_ROWS):
        stop = min(start + GPU_TILE_ROWS, first.count)
        scores = torch._int_mm(first.values[start : _round_up(stop)], second.values.T)
        scores = scores[: stop - start, : second.count]
        scores = scores + first.offsets[start:stop, None] + second.offsets[None, : second.count]
        row_parts.append(_top_two(scores, 1))
        best, index = _top_two(scores, 0)
        column_scores.append(best.T)
        column_rows.append(index.T + start)
    rows = torch.cat([p[0] for p in row_parts]), torch.cat([p[1] for p in row_parts])
    merged, choice = torch.cat(column_scores, dim=1).sort(dim=1, descending=True, stable=True)
    column_index = torch.cat(column_rows, dim=1).gather(1, choice)
    return _to_numpy(*rows), _to_numpy(merged, column_index)


def _top_two(scores: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The two best scores along `dim` and their indices; of equal ones the first."""
    best = scores.amax(dim=dim, keepdim=True)
    first = (scores == best).int().argmax(dim=dim, keepdim=True)
    following, next_index = scores.scatter(dim, first, _NONE).max(dim=dim, keepdim=True)
    import torch

    return torch.cat([best, following], dim=dim), torch.cat([first, next_index], dim=dim)


def _to_numpy(scores: torch.Tensor, index: torch.Tensor) -> NearestTwo:
    values = scores[:, :2].cpu().numpy()
    return values[:, 0].copy(), values[:, 1].copy(), index[:, 0].cpu().numpy()
