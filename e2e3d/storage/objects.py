"""Named byte objects in a local folder or in an S3 bucket: atomic writes, cheap reads, errors a user can act on."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.errors import MachineError

TEMPORARY = ".tmp"
"""How the names of half-written files begin."""

_BLOCK_BYTES = 1 << 20
_JOINED_BYTES = 64 << 20


class Objects(Protocol):
    """What the artifact store needs from the place where its objects lie."""

    def size(self, name: str) -> int | None:
        """Size in bytes, None when the object does not exist."""
        ...

    def read(self, name: str) -> bytes | memoryview:
        """The bytes of an object. Raises FileNotFoundError."""
        ...

    def head(self, name: str, count: int) -> tuple[bytes, int]:
        """The first `count` bytes of an object, or all if it has fewer, and its size. Raises FileNotFoundError."""
        ...

    def view(self, name: str) -> memoryview:
        """The bytes of an object, not held in memory. Raises FileNotFoundError."""
        ...

    def write(self, name: str, *parts: bytes | memoryview) -> None:
        """Write an object, of one or several parts, so that it appears whole or not at all."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object if it is there."""
        ...


class LocalObjects:
    """Objects as files below a folder; reads are memory maps, writes go through a temporary file and a rename."""

    cheap_reads = True

    def __init__(self, root: Path) -> None:
        self.root = root

    def size(self, name: str) -> int | None:
        """See :class:`Objects`."""
        with readable(self._path(name)):
            try:
                return self._path(name).stat().st_size
            except FileNotFoundError:
                return None

    def read(self, name: str) -> bytes | memoryview:
        """See :class:`Objects`; the view keeps the map open for as long as anything refers to it."""
        with readable(self._path(name)), self._path(name).open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return b""
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def head(self, name: str, count: int) -> tuple[bytes, int]:
        """See :class:`Objects`."""
        with readable(self._path(name)), self._path(name).open("rb") as file:
            return file.read(count), os.fstat(file.fileno()).st_size

    def view(self, name: str) -> memoryview:
        """See :class:`Objects`."""
        return memoryview(self.read(name))

    def write(self, name: str, *parts: bytes | memoryview) -> None:
        """See :class:`Objects`."""
        path = self._path(name)
        temporary = path.parent / f"{TEMPORARY}.{socket.gethostname()}.{os.getpid()}.{os.urandom(4).hex()}"
        with _writable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with temporary.open("xb") as file:
                    file.writelines(parts)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise

    def delete(self, name: str) -> None:
        """See :class:`Objects`."""
        with _writable(self._path(name)):
            self._path(name).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove what writers of this machine that died left half-written; returns how many files went."""
        removed = 0
        for path in self.root.glob(f"*/*/{TEMPORARY}.*"):
            _, _, rest = path.name.partition(f"{TEMPORARY}.")
            host, pid, _ = rest.rsplit(".", 2)
            if host == socket.gethostname() and not Path(f"/proc/{pid}").exists():
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _path(self, name: str) -> Path:
        return self.root / name


class RemoteObjects:
    """Objects behind any fsspec file system whose writes are atomic, which S3's PUT is."""

    cheap_reads = False

    def __init__(self, url: str, options: S3Options) -> None:
        import fsspec

        self.url = url
        with reachable(url):
            self._files, self._root = fsspec.core.url_to_fs(url, **remote_arguments(url, options))

    def size(self, name: str) -> int | None:
        """See :class:`Objects`."""
        with reachable(self.url):
            try:
                return int(self._files.info(self._path(name), refresh=True)["size"])
            except FileNotFoundError:
                return None

    def read(self, name: str) -> bytes | memoryview:
        """See :class:`Objects`."""
        with reachable(self.url):
            return bytes(self._files.cat_file(self._path(name)))

    def head(self, name: str, count: int) -> tuple[bytes, int]:
        """See :class:`Objects`."""
        from fsspec.asyn import sync

        bucket, _, key = self._path(name).partition("/")
        with reachable(self.url):
            try:
                answer = self._files.call_s3("get_object", Bucket=bucket, Key=key, Range=f"bytes=0-{count - 1}")
            except OSError as error:
                if error.errno == errno.EINVAL:  # an empty object has no range
                    return b"", 0
                raise
            with contextlib.closing(answer["Body"]) as body:
                return sync(self._files.loop, body.read), int(answer["ContentRange"].rpartition("/")[2])

    def view(self, name: str) -> memoryview:
        """See :class:`Objects`; a copy in the temporary folder that goes with the view."""
        with reachable(self.url), tempfile.NamedTemporaryFile(prefix="e2e3d-object-") as copy:
            self._files.get_file(self._path(name), copy.name)
            with Path(copy.name).open("rb") as file:  # some file systems replace the file
                if os.fstat(file.fileno()).st_size == 0:
                    return memoryview(b"")
                return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def write(self, name: str, *parts: bytes | memoryview) -> None:
        """See :class:`Objects`."""
        with reachable(self.url):
            try:
                if sum(map(len, parts)) > _JOINED_BYTES:  # may not fit in memory twice
                    with self._files.open(self._path(name), "wb") as file:
                        for part in parts:
                            for start in range(0, len(part), _BLOCK_BYTES):
                                file.write(bytes(part[start : start + _BLOCK_BYTES]))
                else:
                    self._files.pipe_file(self._path(name), b"".join(parts))
            except FileNotFoundError as error:
                raise MachineError(
                    "store-missing",
                    f"The bucket of {self.url} does not exist.",
                    "Create the bucket, or set E2E3D_STORE.",
                ) from error

    def delete(self, name: str) -> None:
        """See :class:`Objects`."""
        with reachable(self.url), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def sweep(self) -> int:
        """Nothing is ever half-written here."""
        return 0

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def open_objects(url: str, options: S3Options) -> LocalObjects | RemoteObjects:
    """The objects at a folder's path, a ``file://`` URL, or the URL of an fsspec file system such as ``s3://``."""
    if "://" not in url:
        return LocalObjects(Path(url).expanduser().absolute())
    if url.startswith("file://"):
        return LocalObjects(Path(url.removeprefix("file://")))
    return RemoteObjects(url.rstrip("/"), options)


def remote_arguments(url: str, options: S3Options) -> dict[str, Any]:
    """What fsspec needs to open `url`."""
    if not url.startswith("s3://"):
        return {}
    config = {
        "connect_timeout": 5,
        "read_timeout": 60,
        "retries": {"max_attempts": 2, "mode": "standard"},
        "signature_version": "s3v4",  # presigned addresses would otherwise use the old one, which MinIO refuses
    }
    given: dict[str, Any] = {"endpoint_url": options.endpoint, "key": options.key, "secret": options.secret}
    given["s3_additional_kwargs"] = _encryption(options.sse)
    return {"config_kwargs": config, **{name: value for name, value in given.items() if value}}


def _encryption(sse: str | None) -> dict[str, str]:
    if not sse:
        return {}
    kind, _, key = sse.removeprefix("aws:").partition(":")
    if kind != "kms":
        return {"ServerSideEncryption": sse}
    return {"ServerSideEncryption": "aws:kms", **({"SSEKMSKeyId": key} if key else {})}


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn failures to read a file, but for its absence, into a :class:`MachineError`."""
    try:
        yield
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise MachineError(
            "no-permission", f"{path} may not be read.", "Check the owner and the permissions of the folder."
        ) from error
    except OSError as error:
        raise MachineError("read-failed", f"{path} cannot be read: {error.strerror}.", "Check the disk.") from error


@contextlib.contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


def write_error(path: Path, error: OSError) -> MachineError:
    """What a failed write means to the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return MachineError(
            "disk-full",
            f"No space is left to write {path}.",
            "Free some space or choose another folder, then run the same command again: what is finished is kept.",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return MachineError("no-permission", f"{path} may not be written.", "Choose a folder that you may write to.")
    return MachineError("write-failed", f"{path} cannot be written: {error.strerror}.", "Check the disk and the path.")


@contextlib.contextmanager
def reachable(url: str) -> Iterator[None]:
    """Turn failures of a remote file system into a :class:`MachineError` that names the store."""
    try:
        yield
    except (FileNotFoundError, MachineError):
        raise
    except PermissionError as error:
        raise MachineError(
            "store-denied", f"The store {url} refuses access: {error}.", "Check E2E3D_S3_KEY and E2E3D_S3_SECRET."
        ) from error
    except (ImportError, ValueError) as error:
        raise MachineError("store-unknown", f"No driver for the store {url}: {error}.", "Check E2E3D_STORE.") from error
    except Exception as error:
        if not isinstance(error, OSError) and not type(error).__module__.startswith(
            ("botocore", "aiohttp", "aiobotocore")
        ):
            raise
        if "NoCredentials" in type(error).__name__:
            raise MachineError(
                "store-denied", f"There are no credentials for {url}.", "Set E2E3D_S3_KEY and E2E3D_S3_SECRET."
            ) from error
        raise MachineError(
            "store-unreachable",
            f"The store {url} does not work: {error}.",
            "Check E2E3D_STORE and E2E3D_S3_ENDPOINT, and the log and the free disk of the server behind them.",
        ) from error
