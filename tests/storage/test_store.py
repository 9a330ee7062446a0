"""The contract of the artifact store, over a local folder and over S3; and what each does when its machine fails."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.data.stats import UnitStats
from e2e3d.errors import MachineError, SettingsError
from e2e3d.storage import codec
from e2e3d.storage.store import ArtifactStore
from tests.servers import BUCKET, KEY, free_port

STATS = UnitStats(1.5, 2.25, 3, "host")


@dataclass(frozen=True)
class Sample:
    values: NDArray[np.float32]
    name: str


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "local":
        return ArtifactStore(str(tmp_path / "store"))
    return ArtifactStore(f"s3://{BUCKET}/{uuid.uuid4().hex}", request.getfixturevalue("s3"))


def sample(count: int = 5) -> Sample:
    return Sample(np.arange(count, dtype=np.float32), "é")


def key() -> str:
    return f"toy/{uuid.uuid4().hex * 2}"


def test_records_return(store: ArtifactStore) -> None:
    name = key()
    assert store.stats(name) is None
    store.put(name, sample(300_000), STATS)
    assert store.stats(name) == STATS
    found = store.get(name, Sample)
    np.testing.assert_array_equal(found.values, np.arange(300_000))
    assert not found.values.flags.writeable


def test_blobs_return(store: ArtifactStore) -> None:
    data = os.urandom(100_000)
    sha256 = store.put_blob(data)
    assert store.put_blob(data) == sha256
    assert store.get_blob(sha256) == data
    assert store.get(f"blob/{sha256}", bytes) == data
    assert store.put_blob(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_views_of_blobs_return(store: ArtifactStore) -> None:
    data = os.urandom(3_000_000)
    sha256 = store.put_blob(memoryview(data))
    assert store.get(f"blob/{sha256}", bytes) == data
    assert bytes(store.get(f"blob/{sha256}", memoryview)) == data
    assert bytes(store.view_blob(store.put_blob(memoryview(b"")))) == b""
    with pytest.raises(MachineError, match="has no"):
        store.view_blob("0" * 64)


def test_the_first_result_stays(store: ArtifactStore) -> None:
    name = key()
    store.put(name, sample(3), STATS)
    store.put(name, sample(4), STATS)
    assert len(store.get(name, Sample).values) == 3


def test_what_is_missing_is_named(store: ArtifactStore) -> None:
    name = key()
    with pytest.raises(MachineError, match=name) as caught:
        store.get(name, Sample)
    assert caught.value.code == "artifact-missing"


def test_a_store_and_its_secret_are_not_pickled(store: ArtifactStore) -> None:
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps(store)


def test_damaged_results_count_as_absent(store: ArtifactStore) -> None:
    name = key()
    store.put(name, sample(), STATS)
    _overwrite(store, name, b"\x07\x00\x00\x00 not safetensors")
    assert store.stats(name) is None
    store.put(name, sample(9), STATS)
    assert len(store.get(name, Sample).values) == 9


def test_damage_found_late_is_removed_and_named(store: ArtifactStore) -> None:
    name = key()
    store.put(name, sample(), STATS)
    _overwrite(store, name, b"")
    with pytest.raises(MachineError, match="damaged") as caught:
        store.get(name, Sample)
    assert caught.value.code == "artifact-damaged"
    assert store.describe(name) is None


@dataclass(frozen=True)
class Listing:
    values: NDArray[np.float32]
    names: tuple[str, ...]


@pytest.mark.parametrize("names", [1, 5_000])
def test_a_result_is_described_without_being_read(store: ArtifactStore, names: int) -> None:
    name = key()
    assert store.describe(name) is None
    store.put(name, Listing(np.zeros(10_000_000, np.float32), tuple(map(str, range(names)))), STATS)
    head, read = store._objects.head, []

    def counted(*args: Any) -> tuple[bytes, int]:
        found = head(*args)
        read.append(len(found[0]))
        return found

    store._objects.head = counted  # type: ignore[method-assign]
    store._objects.load = None  # type: ignore[assignment]
    assert store.describe(name) == STATS
    assert sum(read) < 2100 + names * 10


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:5],
        lambda data: data[:200],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: b"\xff" * 8 + data[8:],
        lambda data: bytes(8) + data[8:],
        lambda data: data[:8] + b"[" + data[9:],
        lambda data: b"\x07\x00\x00\x00 not safetensors",
    ],
)
def test_a_damaged_header_counts_as_absent(store: ArtifactStore, damage: Callable[[bytes], bytes]) -> None:
    name = key()
    store.put(name, sample(), STATS)
    assert store.describe(name) == STATS
    _overwrite(store, name, damage(b"".join(codec.encode(sample(), STATS))))
    assert store.describe(name) is None
    store.put(name, sample(9), STATS)
    assert len(store.get(name, Sample).values) == 9
    assert store.describe(name) == STATS


def _overwrite(store: ArtifactStore, name: str, data: bytes) -> None:
    stage, _, digest = name.partition("/")
    store._objects.put(f"{stage}/{digest[:2]}/{digest}.safetensors", data)


def test_damaged_blobs_are_replaced_when_put_again(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    sha256 = store.put_blob(b"photograph")
    (tmp_path / "blob" / sha256[:2] / sha256).write_bytes(b"photogrXph")
    store.put_blob(b"photograph")
    assert store.get_blob(sha256) == b"photograph"


def test_local_reads_map_the_file(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    store.put("toy/abcd", sample(1000), STATS)
    values = store.get("toy/abcd", Sample).values
    assert "abcd.safetensors" in Path("/proc/self/maps").read_text()
    assert values[999] == 999


def test_half_written_files_of_dead_writers_are_swept(tmp_path: Path) -> None:
    code = (
        "import os; from e2e3d.storage import atomic_files; from e2e3d.storage.store import ArtifactStore\n"
        "atomic_files.os.fsync = lambda descriptor: os.kill(os.getpid(), 9)\n"
        f"ArtifactStore({str(tmp_path)!r}).put_blob(b'x' * 1000)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    store = ArtifactStore(str(tmp_path))
    assert len(list(tmp_path.rglob(".tmp*"))) == 1
    assert store.sweep() == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    return folder


def test_a_full_disk_is_named_and_leaves_nothing_half_written(small_disk: Path) -> None:
    try:
        store = ArtifactStore(str(small_disk))
        store.put("toy/small", sample(), STATS)
        with pytest.raises(MachineError, match="No space") as caught:
            store.put("toy/large", sample(1_000_000), STATS)
        assert caught.value.code == "disk-full"
        assert [path.name for path in small_disk.rglob("*") if path.is_file()] == ["small.safetensors"]
        assert store.stats("toy/small") == STATS
    finally:
        subprocess.run(["umount", small_disk], check=True)


def test_a_write_that_fails_for_lack_of_space_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("e2e3d.storage.atomic_files.os.fsync", no_space)
    with pytest.raises(MachineError) as caught:
        ArtifactStore(str(tmp_path)).put_blob(b"x")
    assert caught.value.code == "disk-full"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    code = (
        "import os, sys; from e2e3d.storage.store import ArtifactStore; from e2e3d.errors import MachineError\n"
        f"store = ArtifactStore({str(folder)!r})\n"
        "os.geteuid() == 0 and os.setuid(65534)\n"
        "try:\n    store.put_blob(b'x')\n"
        "except MachineError as error:\n    print(error.code, error.exit_code)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["no-permission", "5"]


@pytest.mark.slow
def test_wrong_credentials_are_named(s3: S3Options) -> None:
    store = ArtifactStore(f"s3://{BUCKET}/x", S3Options(s3.endpoint, KEY, "wrong"))
    with pytest.raises(MachineError) as caught:
        store.put_blob(b"x")
    assert caught.value.code == "store-denied"


@pytest.mark.slow
def test_an_unreachable_server_is_named() -> None:
    store = ArtifactStore("s3://bucket/x", S3Options(f"http://127.0.0.1:{free_port()}", "key", "secret"))
    with pytest.raises(MachineError) as caught:
        store.put_blob(b"x")
    assert caught.value.code == "store-unreachable"


@pytest.mark.parametrize("url", ["nosuchscheme://x", "memory://somewhere"])
def test_an_unknown_kind_of_store_is_named(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        ArtifactStore(url)
    assert caught.value.code == "store-unknown"
