"""Brings the photographs of a task into the service, once however often it is called."""

from __future__ import annotations

import contextlib
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from e2e3d.client import Client
from e2e3d.client.models import ImageSet
from e2e3d.errors import InputError


def photographs_of(
    client: Client, called: str, photos: str, masks: str | None, say: Callable[..., None]
) -> tuple[str, str | None]:
    """The image set of a task, filled; and the import that fills it where the photographs lie in S3.

    Args:
        client: of the service.
        called: the name of the set, which no other task gives.
        photos: a path on this machine, or an ``s3://`` prefix.
        masks: a folder or zip archive on this machine, if any.
        say: a function that logs.

    Raises:
        E2E3DError: as :meth:`e2e3d.client.Client.upload` and :meth:`~e2e3d.client.Client.import_photos`.
    """
    image_set = _set_called(client, called)
    with _folder_of(masks) as folder:
        if photos.startswith("s3://"):
            if folder is not None:
                client.upload(image_set.id, [], masks=folder)
            return image_set.id, _import(client, image_set.id, photos)
        report = client.upload(image_set.id, photos, masks=folder)
    say("%s: %d photographs, %d of them new, %d rejected", called, *_counts(report))
    return image_set.id, None


def job_options(intrinsics: str | None, scale: float | None, known_distance: Sequence[Any] | None) -> dict[str, Any]:
    """What is known of the photographs, as the service takes it. Raises InputError ``no-such-path``."""
    options: dict[str, Any] = {}
    if intrinsics is not None:
        try:
            options["intrinsics"] = Path(intrinsics).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError("no-such-path", f"{intrinsics} cannot be read: {error}.", "Check the path.") from error
    if scale is not None:
        options["scale"] = scale
    if known_distance is not None:
        first, second, distance_m = known_distance
        options["known_distance"] = {"photo_a": first, "photo_b": second, "metres": distance_m}
    return options


def _set_called(client: Client, called: str) -> ImageSet:
    """The service keeps no two submissions apart here, so it is asked for the set before one is made."""
    for found in client.list_image_sets(text=called).items:
        if found.name == called:
            return found
    return client.create_image_set(called)


def _import(client: Client, image_set_id: str, prefix: str) -> str:
    """The import that was begun already, or a new one."""
    for upload in client.list_uploads(image_set_id).items:
        if upload.kind == "s3" and upload.state != "failed":
            return upload.id
    return client.import_photos(image_set_id, prefix).id


def _counts(report: Any) -> tuple[int, int, int]:
    return report.image_set.photo_count, report.added, report.rejected


@contextlib.contextmanager
def _folder_of(masks: str | None) -> Iterator[Path | None]:
    """The folder of masks; an archive is unpacked for as long as it is needed."""
    if masks is None or not zipfile.is_zipfile(masks):
        yield None if masks is None else Path(masks)
        return
    with tempfile.TemporaryDirectory(prefix="e2e3d-masks-") as folder, zipfile.ZipFile(masks) as archive:
        archive.extractall(folder)
        yield Path(folder)
