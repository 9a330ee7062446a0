"""What the failures of disks and of S3 mean to the user: errors that say what to do."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from e2e3d.errors import MachineError


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
def machine_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write `path` into a :class:`MachineError`."""
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
