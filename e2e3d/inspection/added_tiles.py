"""Tiles of a run that has finished without them, written beside its files and into its manifest."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from e2e3d.data.run_results import Results
from e2e3d.outputs.export import Writer
from e2e3d.outputs.manifest import MANIFEST_NAME, Manifest
from e2e3d.outputs.tiling.streamed_files import write_cloud_copc, write_model_tiles
from e2e3d.pipeline.workspace import locked_folder
from e2e3d.storage.atomic_files import write_bytes


def add_tiles(out: Path, manifest: Manifest, results: Results) -> tuple[Path, ...]:
    """Write the model as 3D Tiles and the cloud as COPC into `out`; returns the files.

    Raises:
        MachineError: ``output-in-use`` while a run writes into the folder; when the disk is full.
    """
    with locked_folder(out):
        writer = Writer(out)
        write_cloud_copc(writer.stream, results.cloud.load(), True)
        write_model_tiles(writer.write, results.textured.load(), results.mapping.scene, True)
        new = {file.path for file in writer.files}
        kept = tuple(file for file in manifest.outputs if file.path not in new)
        changed = dataclasses.replace(manifest, outputs=(*kept, *writer.files))
        write_bytes(out / MANIFEST_NAME, changed.to_json())
    return tuple(out / file.path for file in writer.files)
