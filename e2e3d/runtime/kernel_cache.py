"""Where compiled kernels are kept: a folder for each state of the sources, so that no stale machine code is ever run.

Numba looks only at the file that holds a function to tell whether its compiled form is still good. A kernel that calls
into another file goes on running the old code after that file was changed. Here the folder is named after a digest of
all the sources, and the next process after a change compiles anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path

_ROOT_NAME = "e2e3d-kernels"
_UNUSED_S = 30 * 24 * 3600.0
_MARK = "compiled-"


def use_kernel_cache(sources: Path) -> Path:
    """Let Numba keep what it compiles in the folder that belongs to the present state of `sources`; returns it.

    Acts on kernels that are defined afterwards. The folder lies below NUMBA_CACHE_DIR if the user set that, else in the
    user's cache folder, else in the temporary folder. Files of states that no process has used for 30 days go.
    """
    digest = source_digest(sources)
    folder = _root() / digest
    try:
        _prepare(folder)
    except OSError:
        folder = Path(tempfile.gettempdir()) / f"{_ROOT_NAME}-{os.getuid()}" / _ROOT_NAME / digest
        _prepare(folder)
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    if numba := sys.modules.get("numba"):
        numba.config.CACHE_DIR = str(folder)
    return folder


def compiled_mark() -> Path:
    """The file whose existence says that all kernels are compiled, for this processor, by this Numba and Python.

    And for the sources at this place: Numba keeps what belongs to another copy of the same files apart.
    """
    import numba  # after the folder is chosen
    from llvmlite import binding

    place = hashlib.sha256(str(Path(__file__).resolve().parent).encode()).hexdigest()[:8]
    name = f"{_MARK}{binding.get_host_cpu_name()}-numba-{numba.__version__}-{sys.implementation.cache_tag}-{place}"
    return Path(numba.config.CACHE_DIR) / name


def source_digest(sources: Path) -> str:
    """A short hash of the names and contents of all Python files below a folder."""
    digest = hashlib.sha256()
    for file in sorted(sources.rglob("*.py")):
        digest.update(f"{file.relative_to(sources).as_posix()}\n{file.stat().st_size}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _root() -> Path:
    """The folder of all states; what an earlier call has put into the environment is not nested into itself."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    if given and Path(given).parent.name == _ROOT_NAME:
        return Path(given).parent
    cache = given or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / _ROOT_NAME


def _prepare(folder: Path) -> None:
    """Make the folder, say that it is in use, and clear those that are not.

    Raises:
        OSError: if it cannot be written, or belongs to somebody else, whose code would be run.
    """
    root = folder.parent
    root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    root.mkdir(mode=0o700, exist_ok=True)
    if root.stat().st_uid != os.getuid():
        raise PermissionError(f"{root} belongs to another user")
    folder.mkdir(exist_ok=True)
    os.utime(folder)
    for other in root.iterdir():
        with contextlib.suppress(OSError):
            if other.stat().st_mtime < time.time() - _UNUSED_S:
                _clear(other)


def _clear(folder: Path) -> None:
    """Remove the compiled files, but not the folders: a process that started long ago may still write into them."""
    for pattern in (f"{_MARK}*", "*/*.nb[ic]"):
        for file in folder.glob(pattern):
            file.unlink(missing_ok=True)
