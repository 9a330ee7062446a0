"""Take in what the user points at: a folder, a zip archive or a video becomes a list of photographs in the store."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from e2e3d.config.frames import VIDEO_SUFFIXES, FramesConfig
from e2e3d.config.run_options import CalibrationText
from e2e3d.data.photo import VideoFrames
from e2e3d.data.ref import Ref
from e2e3d.errors import InputError
from e2e3d.ops.photos.decoding import upright_mask
from e2e3d.pipeline.executor import Executor
from e2e3d.pipeline.sources.mask_files import match_masks
from e2e3d.pipeline.sources.source_files import SourceEntry, in_order, list_folder, list_zip, mapped, read_file
from e2e3d.stages import frames as frames_stage
from e2e3d.stages.frames import FramesInputs
from e2e3d.stages.ingest import IngestFile, Intrinsics

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".webp", ".heic", ".heif"})

_RAW_SUFFIXES = frozenset({".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2"})
_MASK_FOLDERS = frozenset({"masks", "mask"})
_FORMATS = "JPEG, PNG, TIFF, WebP or HEIC photographs, a zip archive of them, or a video (mp4, mov, avi, mkv, webm)"


@dataclass(frozen=True)
class SourceFile:
    """A photograph in the store, and its mask, by their SHA-256."""

    name: str
    sha256: str
    mask_sha256: str | None = None

    def ingest_file(self) -> IngestFile:
        """The file as the ingest stage takes it."""
        mask = None if self.mask_sha256 is None else Ref.blob(self.mask_sha256)
        return IngestFile(self.name, Ref.blob(self.sha256), mask)


@dataclass(frozen=True)
class SourceSet:
    """All photographs of a job in order.

    Attributes:
        is_video: the photographs are frames of one video, in order of time.
        ignored: names of the files of the source that are no photographs.
    """

    files: tuple[SourceFile, ...]
    is_video: bool = False
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class StoredFiles:
    """A source whose files lie in the store already.

    Attributes:
        files: name and SHA-256 of each one; masks are those in a folder called ``masks``.
    """

    files: tuple[tuple[str, str], ...]


def read_source(
    path: str | os.PathLike[str] | StoredFiles,
    executor: Executor,
    masks: str | os.PathLike[str] | None = None,
    frames: FramesConfig | None = None,
) -> SourceSet:
    """Put the photographs of a folder, a zip archive or a video into the store, one file at a time in memory.

    Masks are taken from the folder `masks`; without it, from folders called ``masks`` inside the source, or beside it
    when their names fit.

    Args:
        path: a folder (searched recursively), a zip archive, or a video; a folder or archive with one video and no
            photographs counts as that video. Files that are in the store already are neither copied nor read.
        executor: keeps the bytes, and runs the choice of frames.
        masks: a folder or zip archive of masks (non-zero = use).
        frames: how frames are chosen from a video.

    Raises:
        InputError: ``no-such-path``, ``no-permission``, ``source-unreadable``, ``not-a-source``, ``no-photographs``,
            ``many-videos``, ``masks-for-video``, ``mask-names``, ``no-masks``, ``zip-…`` as in
            :func:`~e2e3d.pipeline.sources.source_files.list_zip`, and ``video-…`` as in :mod:`e2e3d.stages.frames`.
    """
    if isinstance(path, StoredFiles):
        source, title, entries = None, "The set", _list_stored(path, executor)
    else:
        source = _existing(path)
        title, entries = str(source), _list_source(source)
    inside = [entry for entry in entries if mask_name(entry.name) is not None and is_photo(entry.name)]
    photos = [entry for entry in entries if is_photo(entry.name) and mask_name(entry.name) is None]
    if not photos:  # photographs of a mask, not masks
        photos, inside = inside, []
    videos = [entry for entry in entries if PurePosixPath(entry.name).suffix.lower() in VIDEO_SUFFIXES]
    if not photos and len(videos) == 1:
        if masks is not None:
            raise InputError("masks-for-video", "Masks cannot be given for a video.", "Leave them out.")
        return _read_video(videos[0], executor, frames or FramesConfig())
    ignored = tuple(entry.name for entry in entries if not is_photo(entry.name))
    if not photos:
        raise _no_photographs(title, videos, ignored)
    mask_of = _find_masks(source, [entry.name for entry in photos], masks, inside)
    return SourceSet(tuple(_take(entry, mask_of.get(entry.name), executor) for entry in photos), ignored=ignored)


def _take(entry: SourceEntry, mask: SourceEntry | None, executor: Executor) -> SourceFile:
    if mask is None and entry.sha256 is not None:
        return SourceFile(entry.name, entry.sha256)
    data = entry.read()
    mask_sha256 = None if mask is None else _keep(executor, upright_mask(mask.read(), data))
    return SourceFile(entry.name, entry.sha256 or _keep(executor, data), mask_sha256)


def read_calibration(path: str | os.PathLike[str]) -> CalibrationText:
    """The text of a calibration matrix, which :func:`parse_intrinsics` understands.

    Raises:
        InputError: ``no-such-path``, ``no-permission``, or ``intrinsics-form`` for a folder.
    """
    source = _existing(path)
    if source.is_dir():
        raise _bad_intrinsics(str(source), "it is a folder")
    return CalibrationText(read_file(source).decode("utf-8", "replace"), str(source))


def parse_intrinsics(text: str, source: str) -> Intrinsics:
    """A 3 x 3 calibration matrix in pixels: three rows of numbers, apart by blanks or commas, ``#`` comments.

    Raises:
        InputError: ``intrinsics-form``, saying what is wrong with the matrix; `source` names it.
    """
    lines = [line.split("#")[0].replace(",", " ").split() for line in text.split("\n")]
    try:
        rows = [[float(word) for word in words] for words in lines if words]
    except ValueError as error:
        raise _bad_intrinsics(source, str(error)) from error
    if [len(row) for row in rows] != [3, 3, 3]:
        raise _bad_intrinsics(source, f"it has rows of {[len(row) for row in rows]} numbers")
    if not all(math.isfinite(value) for row in rows for value in row):
        raise _bad_intrinsics(source, "a number is not finite")
    (fx, skew, cx), (zero, fy, cy), last = rows
    if fx <= 0 or fy <= 0 or cx <= 0 or cy <= 0:
        raise _bad_intrinsics(source, "focal lengths and principal point must be positive pixels")
    if zero != 0 or last != [0, 0, 1]:
        raise _bad_intrinsics(source, "below the diagonal it must hold 0, and 1 in the corner")
    if abs(skew) > 1e-3 * fx:
        raise _bad_intrinsics(source, f"it has a skew of {skew:g}, which cameras do not have")
    return (fx, 0.0, cx), (0.0, fy, cy), (0.0, 0.0, 1.0)


def _existing(path: str | os.PathLike[str]) -> Path:
    source = Path(path).expanduser()
    try:
        exists = source.exists()
    except PermissionError as error:
        raise InputError("no-permission", f"There is no permission to look into {source}.", "") from error
    if not exists:
        raise InputError("no-such-path", f"{source} does not exist.", "Check the spelling of the path.")
    return source


def _list_stored(stored: StoredFiles, executor: Executor) -> list[SourceEntry]:
    entries = [SourceEntry(name, executor.blob(sha256).load, sha256) for name, sha256 in stored.files]
    return in_order(entries)


def _list_source(source: Path) -> list[SourceEntry]:
    if source.is_dir():
        return list_folder(source)
    suffix = source.suffix.lower()
    if suffix == ".zip":
        return list_zip(source)
    if suffix in VIDEO_SUFFIXES:
        return [SourceEntry(source.name, lambda: read_file(source), open=lambda: source.open("rb"))]
    if suffix in PHOTO_SUFFIXES:
        raise InputError(
            "not-a-source", f"{source} is a single photograph.", "Give the folder that holds all of the photographs."
        )
    raise InputError("not-a-source", f"{source} is no folder, zip archive or video.", f"Give {_FORMATS}.")


def _read_video(entry: SourceEntry, executor: Executor, config: FramesConfig) -> SourceSet:
    sha256 = entry.sha256
    if sha256 is None:
        with mapped(entry) as data:
            sha256 = _keep(executor, data)
    inputs = FramesInputs(PurePosixPath(entry.name).name, Ref(Ref.blob(sha256).key, memoryview))
    chosen: VideoFrames = executor.map(frames_stage.STAGE, [inputs], config)[0].load()
    bounds = [int(offset) for offset in chosen.offsets]
    files = tuple(
        SourceFile(name, _keep(executor, chosen.data[start:end].tobytes()))
        for name, start, end in zip(chosen.names, bounds[:-1], bounds[1:], strict=True)
    )
    return SourceSet(files, is_video=True)


def _find_masks(
    source: Path | None, photos: Sequence[str], masks: str | os.PathLike[str] | None, inside: Sequence[SourceEntry]
) -> dict[str, SourceEntry]:
    """The mask of each photograph that has one."""
    if masks is not None:
        folder = _existing(masks)
        given = {entry.name: entry for entry in _list_source(folder) if is_photo(entry.name)}
        if not given:
            raise InputError("no-masks", f"{folder} holds no masks.", "Give a folder with one PNG for each photograph.")
        return {photo: given[mask] for photo, mask in match_masks(photos, list(given)).items()}
    if inside:
        found = {mask_name(entry.name) or "": entry for entry in inside}
        return {photo: found[mask] for photo, mask in match_masks(photos, list(found)).items()}
    if source is None or not source.is_dir() or source.name in _MASK_FOLDERS:
        return {}
    beside = source.resolve().parent / "masks"
    if not beside.is_dir():
        return {}
    neighbours = {entry.name: entry for entry in list_folder(beside) if is_photo(entry.name)}
    try:
        return {photo: neighbours[mask] for photo, mask in match_masks(photos, list(neighbours)).items()}
    except InputError:
        return {}  # the masks of other photographs


def mask_name(name: str) -> str | None:
    """Path of a mask without its masks folder; None for a file outside of such folders."""
    parts = PurePosixPath(name).parts
    at = next((i for i, part in enumerate(parts[:-1]) if part.lower() in _MASK_FOLDERS), None)
    return None if at is None else PurePosixPath(*parts[:at], *parts[at + 1 :]).as_posix()


def is_photo(name: str) -> bool:
    """Whether a file is a photograph by its name."""
    return PurePosixPath(name).suffix.lower() in PHOTO_SUFFIXES


def _keep(executor: Executor, data: bytes | memoryview) -> str:
    return executor.put_blob(data).key.removeprefix("blob/")


def _no_photographs(source: str, videos: Sequence[SourceEntry], ignored: Sequence[str]) -> InputError:
    if len(videos) > 1:
        names = ", ".join(entry.name for entry in videos[:3])
        return InputError("many-videos", f"{source} holds {len(videos)} videos ({names}).", "Give one of them.")
    others = f"; its {len(ignored)} files are something else ({', '.join(ignored[:3])})" if ignored else ""
    hint = f"Give {_FORMATS}."
    if any(PurePosixPath(name).suffix.lower() in _RAW_SUFFIXES for name in ignored):
        hint = "Convert raw photographs to JPEG or TIFF first."
    return InputError("no-photographs", f"{source} holds no photographs{others}.", hint)


def _bad_intrinsics(source: str, why: str) -> InputError:
    hint = "Write fx 0 cx / 0 fy cy / 0 0 1 in pixels, one row a line."
    return InputError("intrinsics-form", f"{source} holds no 3 x 3 calibration matrix: {why}.", hint)
