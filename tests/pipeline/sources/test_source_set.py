import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest

from e2e3d.data.ref import Ref
from e2e3d.errors import InputError
from e2e3d.ops.photos.decoding import decode_mask, decode_photo
from e2e3d.pipeline.sources.source_set import SourceFile, parse_intrinsics, read_calibration, read_source
from e2e3d.stages.stage import RunContext
from tests.ops.photos.test_video import pan, write_video
from tests.pictures import ORIENTATION, encode, exif_of, textured


class MemoryExecutor:
    """The part of an executor that reading a source needs."""

    stats = ()

    def __init__(self):
        self.blobs = {}

    def put_blob(self, data):
        key = hashlib.sha256(data).hexdigest()
        self.blobs[key] = bytes(data)
        return Ref.blob(key)

    def map(self, stage, inputs, config, label=None, names=()):
        del label
        (one,) = inputs
        bound = type(one)(one.name, one.video.bound(lambda: self.blobs[one.video.key.removeprefix("blob/")]))
        return [Ref.of(stage.run(bound, config, RunContext()))]


@pytest.fixture
def executor():
    return MemoryExecutor()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    (folder / "day2").mkdir(parents=True)
    for name in ("IMG_10.JPG", "IMG_2.JPG", "day2/a.png", ".hidden.jpg", "notes.txt", "raw.CR2"):
        (folder / name).write_bytes(name.encode())
    return folder


def read_intrinsics(path: Path) -> tuple[tuple[float, ...], ...]:
    calibration = read_calibration(path)
    return parse_intrinsics(calibration.text, calibration.source)


def code_of(call) -> str:
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.message
    return caught.value.code


def names(source):
    return [file.name for file in source.files]


def test_a_folder_is_read_in_natural_order(folder, executor):
    source = read_source(folder, executor)
    assert names(source) == ["day2/a.png", "IMG_2.JPG", "IMG_10.JPG"]
    assert source.ignored == ("notes.txt", "raw.CR2")
    assert executor.blobs[source.files[1].sha256] == b"IMG_2.JPG"
    assert not source.is_video


def test_a_zip_gives_the_same_as_its_folder(folder, executor, tmp_path):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, file.relative_to(folder))
        archive.writestr("__MACOSX/._IMG_2.JPG", b"junk")
    assert read_source(path, executor) == read_source(folder, executor)


def test_masks_given_inside_and_beside(folder, executor, tmp_path):
    photos = ["IMG_2.JPG", "IMG_10.JPG", "day2/a.png"]
    for masks in (tmp_path / "masks", folder / "masks", tmp_path / "drawn"):
        masks.mkdir()
        for photo in photos:
            (masks / photo.split("/")[-1].replace(".JPG", ".png")).write_bytes(b"mask of " + photo.encode())
        given = masks if masks.name == "drawn" else None
        source = read_source(folder, executor, masks=given)
        assert names(source) == ["day2/a.png", "IMG_2.JPG", "IMG_10.JPG"]
        assert all(executor.blobs[file.mask_sha256] == b"mask of " + file.name.encode() for file in source.files)
        for mask in masks.iterdir():
            mask.unlink()
        masks.rmdir()


def test_masks_of_something_else_beside_are_left_alone(folder, executor, tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "other.png").write_bytes(b"mask")
    assert all(file.mask_sha256 is None for file in read_source(folder, executor).files)
    assert code_of(lambda: read_source(folder, executor, masks=tmp_path / "masks")) == "mask-names"
    (tmp_path / "empty").mkdir()
    assert code_of(lambda: read_source(folder, executor, masks=tmp_path / "empty")) == "no-masks"


def test_a_mask_is_kept_as_its_photograph_is_seen(executor, tmp_path):
    (tmp_path / "masks").mkdir()
    used = np.zeros((40, 60), bool)
    used[:10, :20] = True
    (tmp_path / "1.jpg").write_bytes(encode(textured(40, 60), exif=exif_of({ORIENTATION: 6})))
    (tmp_path / "masks" / "1.png").write_bytes(encode(used, "PNG"))
    file = read_source(tmp_path, executor).files[0]
    np.testing.assert_array_equal(decode_mask(executor.blobs[file.mask_sha256], 40, 60), np.rot90(used, -1))


def test_a_folder_of_photographs_of_masks(executor, tmp_path):
    (tmp_path / "mask").mkdir()
    (tmp_path / "mask" / "1.jpg").write_bytes(b"1")
    assert names(read_source(tmp_path, executor)) == ["mask/1.jpg"]


def test_a_video_gives_its_frames(executor, tmp_path):
    write_video(tmp_path / "walk.mp4", pan(range(0, 320, 8)))
    source = read_source(tmp_path / "walk.mp4", executor)
    assert source.is_video
    assert len(source.files) >= 10
    assert decode_photo(executor.blobs[source.files[0].sha256]).image.shape == (240, 320, 3)
    assert read_source(tmp_path, executor) == source
    assert code_of(lambda: read_source(tmp_path, executor, masks=tmp_path)) == "masks-for-video"
    (tmp_path / "second.mov").write_bytes(b"")
    assert code_of(lambda: read_source(tmp_path, executor)) == "many-videos"


def test_what_is_no_source_is_named(folder, executor, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("a")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.NEF").write_text("a")
    (tmp_path / "photos.rar").write_bytes(b"Rar!")
    assert code_of(lambda: read_source(tmp_path / "nowhere", executor)) == "no-such-path"
    assert code_of(lambda: read_source(tmp_path / "empty", executor)) == "no-photographs"
    assert code_of(lambda: read_source(folder / "IMG_2.JPG", executor)) == "not-a-source"
    assert code_of(lambda: read_source(tmp_path / "photos.rar", executor)) == "not-a-source"
    with pytest.raises(InputError, match=r"a\.txt"):
        read_source(tmp_path / "text", executor)
    with pytest.raises(InputError, match="Convert raw"):
        read_source(tmp_path / "raw", executor)


def test_ingest_files_name_blobs():
    file = SourceFile("a.jpg", "1" * 64, "2" * 64).ingest_file()
    assert (file.name, file.photo.key, file.mask.key) == ("a.jpg", "blob/" + "1" * 64, "blob/" + "2" * 64)
    assert SourceFile("a.jpg", "1" * 64).ingest_file().mask is None


def test_intrinsics_are_read(tmp_path):
    path = tmp_path / "K.txt"
    for text in (
        "2759.48 0 1520.69 \n0 2764.16 1006.81\n0 0 1\n",
        "# K\n2759.48, 0, 1520.69\n0,2764.16,1006.81\n\n0,0,1",
    ):
        path.write_text(text)
        assert read_intrinsics(path) == ((2759.48, 0.0, 1520.69), (0.0, 2764.16, 1006.81), (0.0, 0.0, 1.0))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 2 3",
        "1000 0 500\n0 1000 400",
        "1000 0 500\n0 1000 400\n0 0 1 0",
        "1000 0 five\n0 1000 400\n0 0 1",
        "1000 0 nan\n0 1000 400\n0 0 1",
        "-1000 0 500\n0 1000 400\n0 0 1",
        "1000 0 500\n0 1000 400\n0 0 2",
        "1000 0 0\n0 1000 0\n500 400 1",
        "1000 30 500\n0 1000 400\n0 0 1",
    ],
)
def test_wrong_intrinsics_are_refused(tmp_path, text):
    path = tmp_path / "K.txt"
    path.write_text(text)
    assert code_of(lambda: read_intrinsics(path)) == "intrinsics-form"
    assert code_of(lambda: read_intrinsics(tmp_path)) == "intrinsics-form"
    assert code_of(lambda: read_intrinsics(tmp_path / "none.txt")) == "no-such-path"


def test_the_masks_of_a_real_set_are_found(shared_data, executor):
    for path in (shared_data / "axe", shared_data / "axe" / "images"):
        source = read_source(path, executor)
        assert len(source.files) == 26
        assert all(file.mask_sha256 for file in source.files)
