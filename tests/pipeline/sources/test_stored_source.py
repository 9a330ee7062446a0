"""A source whose files lie in the store already gives the same set as the folder that they came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e3d.errors import InputError
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.sources.source_set import StoredFiles, read_source
from e2e3d.storage.store import ArtifactStore
from tests.pictures import encode, textured


class CountingStore(ArtifactStore):
    """Remembers which blobs were read."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.read: list[str] = []

    def get_blob(self, sha256: str) -> bytes:
        self.read.append(sha256)
        return super().get_blob(sha256)


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    return CountingStore(str(tmp_path / "store"))


def stored(store: ArtifactStore, folder: Path) -> StoredFiles:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return StoredFiles(
        tuple((path.relative_to(folder).as_posix(), store.put_blob(path.read_bytes())) for path in paths)
    )


def test_photographs_are_taken_in_natural_order_without_reading_them(tmp_path: Path, store: CountingStore) -> None:
    folder = tmp_path / "photos"
    (folder / "day2").mkdir(parents=True)
    for name in ("IMG_10.JPG", "IMG_2.JPG", "day2/a.png"):
        (folder / name).write_bytes(name.encode())
    files = stored(store, folder)
    executor = InProcessExecutor(store)
    source = read_source(files, executor)
    assert store.read == []
    assert [file.name for file in source.files] == ["day2/a.png", "IMG_2.JPG", "IMG_10.JPG"]
    assert source == read_source(folder, executor)


def test_masks_are_found_inside(tmp_path: Path, store: CountingStore) -> None:
    folder = tmp_path / "photos"
    (folder / "masks").mkdir(parents=True)
    (folder / "1.jpg").write_bytes(encode(textured(40, 60)))
    (folder / "2.jpg").write_bytes(encode(textured(40, 60)))
    (folder / "masks" / "1.png").write_bytes(encode(textured(40, 60)[..., 0] > 90, "PNG"))
    executor = InProcessExecutor(store)
    source = read_source(stored(store, folder), executor)
    assert source == read_source(folder, executor)
    assert [file.mask_sha256 is not None for file in source.files] == [True, False]


def test_a_set_without_photographs_is_refused(store: CountingStore) -> None:
    with pytest.raises(InputError) as caught:
        read_source(StoredFiles((("notes.txt", store.put_blob(b"text")),)), InProcessExecutor(store))
    assert caught.value.code == "no-photographs"
