"""Names inside a store: posix paths below its folder or prefix."""

from __future__ import annotations

from e2e3d.errors import InputError

_THUMBNAIL = "thumbnail"


def object_name(key: str) -> str:
    """Where the artifact or blob of a content key lies."""
    stage, _, digest = key.rpartition("/")
    suffix = "" if stage in ("blob", _THUMBNAIL) else ".safetensors"
    return f"{stage}/{digest[:2]}/{digest}{suffix}"


def key_of_name(name: str) -> str | None:
    """The content key of the artifact or blob that lies there; None for anything else."""
    stage, _, file = name.rpartition("/")
    stage, _, _ = stage.rpartition("/")
    key = f"{stage}/{file.removesuffix('.safetensors')}"
    return key if stage and object_name(key) == name else None


def blob_name(sha256: str) -> str:
    """Where the bytes with this SHA-256 lie: the service writes photographs there, and the engine reads them."""
    return object_name(f"blob/{sha256}")


def thumbnail_name(sha256: str) -> str:
    """Where the service keeps the small picture of the photograph with this SHA-256."""
    return object_name(f"{_THUMBNAIL}/{sha256}")


def checked_name(name: str) -> str:
    """`name`, if it stays inside the store.

    Raises:
        InputError: ``unsafe-name``.
    """
    if not name or name.startswith("/") or "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise InputError("unsafe-name", f"{name!r} points outside of the store.", "Use names without .. and //.")
    return name
