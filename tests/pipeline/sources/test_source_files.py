import os
import stat
import struct
import zipfile

import pytest

from e2e3d.errors import InputError
from e2e3d.pipeline.sources.source_files import list_folder, list_zip, mapped, natural_key, read_file


def make_zip(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def code_of(call) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return caught.value.code


def test_natural_order():
    assert sorted(["b10", "B9", "a", "b2"], key=natural_key) == ["a", "b2", "B9", "b10"]


def test_members_are_read_one_at_a_time(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("x/2.jpg", b"two"), ("x/10.jpg", b"ten"), (".DS_Store", b"")])
    assert [(entry.name, entry.read()) for entry in list_zip(path)] == [("x/2.jpg", b"two"), ("x/10.jpg", b"ten")]


@pytest.mark.parametrize("name", ["../up.jpg", "a/../../up.jpg", "/etc/passwd", "C:\\a.jpg", "..\\up.jpg"])
def test_names_that_leave_the_archive_are_refused(tmp_path, name):
    path = make_zip(tmp_path / "a.zip", [("good.jpg", b"1"), (name, b"2")])
    with pytest.raises(InputError) as caught:
        list_zip(path)
    assert caught.value.code == "zip-unsafe-name"
    assert "a.zip" in caught.value.message


def test_a_name_without_end_is_refused_and_not_repeated(tmp_path):
    """Remarks of an import name their files: five hundred names of 60 kB made an answer of 30 MB."""
    path = make_zip(tmp_path / "a.zip", [("good.jpg", b"1"), ("x" * 1025 + ".jpg", b"2")])
    with pytest.raises(InputError) as caught:
        list_zip(path)
    assert caught.value.code == "zip-unsafe-name"
    assert len(caught.value.message) < 200
    assert len(list_zip(make_zip(tmp_path / "b.zip", [("x" * 1024, b"2")]))) == 1


def test_symbolic_links_and_double_names_are_refused(tmp_path):
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert code_of(lambda: list_zip(make_zip(tmp_path / "a.zip", [(link, b"/etc/passwd")]))) == "zip-unsafe-name"
    with pytest.warns(UserWarning, match="Duplicate"):
        double = make_zip(tmp_path / "b.zip", [("1.jpg", b"1"), ("1.jpg", b"2")])
    assert code_of(lambda: list_zip(double)) == "zip-unsafe-name"


def test_zip_bombs_are_refused_unopened(tmp_path):
    bomb = make_zip(tmp_path / "a.zip", [("1.jpg", bytes(60_000_000))], zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 100_000
    assert code_of(lambda: list_zip(bomb)) == "zip-too-large"


def test_an_archive_that_lies_about_its_sizes_gives_no_more_than_it_says(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("1.jpg", bytes(1_000_000))], zipfile.ZIP_DEFLATED)
    data = path.read_bytes().replace(struct.pack("<I", 1_000_000), struct.pack("<I", 1_000))
    path.write_bytes(data)
    assert [entry.read() for entry in list_zip(path)] == [b""]


def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr("e2e3d.pipeline.sources.source_files.MAX_ZIP_ENTRIES", 3)
    path = make_zip(tmp_path / "a.zip", [(f"{number}.jpg", b"1") for number in range(4)])
    assert code_of(lambda: list_zip(path)) == "zip-too-large"


def test_a_table_of_contents_that_is_too_long_is_not_read(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "a.zip", [(f"{number:0100}.jpg", b"1") for number in range(9)])
    assert len(list_zip(path)) == 9
    monkeypatch.setattr("e2e3d.pipeline.sources.source_files.MAX_ZIP_DIRECTORY_BYTES", 1000)
    assert code_of(lambda: list_zip(path)) == "zip-too-large"
    # The same in the records of ZIP64, which the fields of 32 bits then point to.
    data = path.read_bytes()
    end = data.rindex(b"PK\x05\x06")
    count, length, start = struct.unpack("<HII", data[end + 10 : end + 20])
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    small = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(data[:end] + record + locator + small)
    assert code_of(lambda: list_zip(path)) == "zip-too-large"
    monkeypatch.undo()
    assert len(list_zip(path)) == 9


def test_encrypted_truncated_and_foreign_files(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("1.jpg", b"12345")])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(bytes(data))
    assert code_of(lambda: list_zip(tmp_path / "locked.zip")) == "zip-encrypted"
    (tmp_path / "cut.zip").write_bytes(path.read_bytes()[:-10])
    assert code_of(lambda: list_zip(tmp_path / "cut.zip")) == "zip-broken"
    (tmp_path / "other.zip").write_bytes(b"no archive")
    assert code_of(lambda: list_zip(tmp_path / "other.zip")) == "zip-broken"


def test_a_damaged_member_is_read_as_nothing(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("1.jpg", b"12345"), ("2.jpg", b"abcde")])
    path.write_bytes(path.read_bytes().replace(b"12345", b"12349"))
    assert [entry.read() for entry in list_zip(path)] == [b"", b"abcde"]


def test_permissions(tmp_path):
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed.jpg").write_bytes(b"1")
    (tmp_path / "closed").chmod(0)
    (tmp_path / "closed.jpg").chmod(0)
    try:
        if os.access(tmp_path / "closed", os.R_OK):
            pytest.skip("this user may read everything")
        assert code_of(lambda: list_folder(tmp_path / "closed")) == "no-permission"
        assert code_of(lambda: read_file(tmp_path / "closed.jpg")) == "no-permission"
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_links_are_followed_once(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "1.jpg").write_bytes(b"1")
    (tmp_path / "a" / "b" / "loop").symlink_to(tmp_path / "a")
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "link").symlink_to(tmp_path / "a" / "b")
    assert [entry.name for entry in list_folder(tmp_path / "a")] == ["b/1.jpg"]
    assert "link/1.jpg" in [entry.name for entry in list_folder(tmp_path / "top")]


def test_a_file_that_cannot_be_read_among_others_is_read_as_nothing(tmp_path):
    (tmp_path / "1.jpg").write_bytes(b"1")
    (tmp_path / "2.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert [(entry.name, entry.read()) for entry in list_folder(tmp_path)] == [("1.jpg", b"1"), ("2.jpg", b"")]


def test_names_that_are_not_utf_8_become_printable(tmp_path):
    with open(os.fsencode(tmp_path) + b"/caf\xe9.jpg", "wb") as file:
        file.write(b"1")
    assert [(entry.name, entry.read()) for entry in list_folder(tmp_path)] == [("caf\\xe9.jpg", b"1")]


def test_a_file_that_vanished(tmp_path):
    assert code_of(lambda: read_file(tmp_path / "gone.jpg")) == "source-unreadable"


RESULT = ("manifest.json", "model.glb", "model.obj", "model_0.jpg", "report.html", "sparse/cameras.bin", "pages/a.jpg")


@pytest.mark.parametrize("where", ["", "deep/er/"])
def test_downloaded_results_are_no_photographs(tmp_path, where):
    photos = [f"{where}a.jpg", f"{where}day2/model_0.jpg", f"{where}other/manifest.json", f"{where}other/b.jpg"]
    every = [*photos, *(f"{where}result/{name}" for name in RESULT)]
    for name in every:
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"1")
    assert {entry.name for entry in list_folder(tmp_path / "set")} == set(photos)
    archive = make_zip(tmp_path / "a.zip", [(name, b"1") for name in every])
    assert {entry.name for entry in list_zip(archive)} == set(photos)


@pytest.mark.parametrize("top", ["", "all/"])
def test_results_written_among_the_photographs_leave_the_photographs(tmp_path, top):
    archive = make_zip(tmp_path / "a.zip", [(f"{top}{name}", b"1") for name in (*RESULT, "a.jpg")])
    found = [entry.name.removeprefix(top) for entry in list_zip(archive) if entry.name.endswith(".jpg")]
    assert found == ["a.jpg", "pages/a.jpg"]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_entries_are_mapped_and_not_read(tmp_path, compression):
    data = os.urandom(3_000_000)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.mp4").write_bytes(data)
    archive = make_zip(tmp_path / "a.zip", [("a.mp4", data), ("empty.mp4", b"")], compression)
    for entry in (*list_folder(tmp_path / "set"), list_zip(archive)[0]):
        with mapped(entry) as view:
            assert bytes(view) == data
    with mapped(list_zip(archive)[1]) as view:
        assert len(view) == 0


def test_a_damaged_member_is_mapped_as_nothing(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("1.mp4", b"12345")])
    path.write_bytes(path.read_bytes().replace(b"12345", b"12349"))
    with mapped(list_zip(path)[0]) as view:
        assert len(view) == 0
