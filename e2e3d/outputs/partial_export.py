"""Results of a run that is still under way: written as soon as they exist, so that a run that fails leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from e2e3d.data.ref import Ref
from e2e3d.ops.formats.ply import write_cloud_ply, write_mesh_ply
from e2e3d.outputs.export import Writer, write_cameras, write_sparse
from e2e3d.stages.mapping import MAPPING_AGAIN

PARTIAL_PASSES = ("mapping", MAPPING_AGAIN, "merge", "mesh")


def export_partial(folder: Path, label: str, results: Sequence[Ref[Any]]) -> bool:
    """Write what a finished pass made: the sparse model, the dense cloud or the mesh.

    Args:
        folder: where to; the files have the names that they have in a finished result.
        label: of the pass.
        results: of the pass.

    Returns:
        whether there was something to write.

    Raises:
        MachineError: when the disk is full or the folder cannot be written.
    """
    if label not in PARTIAL_PASSES:
        return False
    record = results[0].load()
    writer = Writer(folder)
    if label in ("mapping", MAPPING_AGAIN):
        write_sparse(writer, record.scene)
        write_cameras(writer, record.scene)
    elif label == "merge":
        writer.stream("dense.ply", lambda file: write_cloud_ply(file, record))
    else:
        writer.stream("mesh.ply", lambda file: write_mesh_ply(file, record))
    return True
