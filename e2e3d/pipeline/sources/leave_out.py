"""Photographs that are kept out of a reconstruction, so that the model can be judged from where it was not fitted."""

from __future__ import annotations

import dataclasses
from pathlib import PurePosixPath

from e2e3d.config.run_options import LeaveOut
from e2e3d.errors import InputError
from e2e3d.pipeline.sources.source_set import SourceSet


def leave_out(files: SourceSet, choice: LeaveOut | None) -> SourceSet:
    """The set without the photographs of the choice: every n-th in order, or those with these names or file names.

    Raises:
        InputError: ``no-such-photograph`` naming those that are not in the set.
    """
    if choice is None:
        return files
    if isinstance(choice, int):
        kept = tuple(file for i, file in enumerate(files.files, 1) if i % choice)
        return dataclasses.replace(files, files=kept)
    unwanted = set(choice)
    missing = unwanted - {name for file in files.files for name in (file.name, PurePosixPath(file.name).name)}
    if missing:
        raise InputError(
            "no-such-photograph",
            f"There is no photograph {', '.join(sorted(missing))} to leave out.",
            "Give names as they are in the folder, with their suffix.",
        )
    kept = tuple(f for f in files.files if not {f.name, PurePosixPath(f.name).name} & unwanted)
    return dataclasses.replace(files, files=kept)
