"""Open the store that a setting names."""

from __future__ import annotations

from pathlib import Path

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.errors import SettingsError
from e2e3d.storage.local_objects import LocalObjects
from e2e3d.storage.objects import ObjectStore


def open_objects(url: str, options: S3Options | None = None) -> ObjectStore:
    """The objects of a store: a folder, a ``file://`` URL or ``s3://bucket/prefix``.

    Raises:
        SettingsError: ``store-unknown`` for anything else.
        MachineError: ``store-denied`` or ``store-unreachable``.
    """
    if url.startswith("s3://"):
        from e2e3d.storage.s3_objects import S3Objects  # its libraries take half a second

        return S3Objects(url.rstrip("/"), options or S3Options())
    if "://" in url and not url.startswith("file://"):
        raise SettingsError(
            "store-unknown", f"{url} cannot be a store.", "Set E2E3D_STORE to a folder or s3://bucket/prefix."
        )
    return LocalObjects(Path(url.removeprefix("file://")).expanduser().absolute())
