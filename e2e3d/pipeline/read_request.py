"""What a run is asked for, with the files that its options name read: for the command line, Python and batches."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from e2e3d.config.run_options import LeaveOut, RunOptions
from e2e3d.pipeline.plugins import Given, choose_plugins
from e2e3d.pipeline.run import RunRequest
from e2e3d.pipeline.sources.read_poses import read_poses
from e2e3d.pipeline.sources.source_set import read_calibration

if TYPE_CHECKING:
    from e2e3d.data.scene import Scene

PathLike = str | os.PathLike[str]


class OptionValues(TypedDict, total=False):
    """The fields of :class:`~e2e3d.config.run_options.RunOptions` that are no files."""

    scale: float | None
    known_distance: tuple[str, str, float] | None
    keep_depth: bool
    left_out: LeaveOut | None
    tiles: bool | None


def read_options(
    intrinsics: PathLike | None = None, masks: PathLike | None = None, **values: Unpack[OptionValues]
) -> RunOptions:
    """The options of a run; `intrinsics` is the path of a calibration matrix.

    Raises:
        InputError: as :func:`~e2e3d.pipeline.sources.source_set.read_calibration`.
        SettingsError: as :class:`~e2e3d.config.run_options.RunOptions`.
    """
    calibration = None if intrinsics is None else read_calibration(intrinsics)
    return RunOptions(calibration, None if masks is None else Path(masks), **values)


def read_request(
    photos: PathLike,
    quality: str,
    changes: Mapping[str, object],
    options: RunOptions,
    stages: Mapping[str, Given] | None = None,
    poses: PathLike | Scene | None = None,
) -> RunRequest:
    """A run of `photos` on this machine, with its stages of one's own chosen and its poses read.

    Raises:
        InputError, SettingsError: as :func:`~e2e3d.pipeline.plugins.choose_plugins` and
            :func:`~e2e3d.pipeline.sources.read_poses.read_poses`.
    """
    given_poses = None if poses is None else read_poses(poses)
    return RunRequest(Path(photos), quality, changes, options, choose_plugins(stages or {}), given_poses)
