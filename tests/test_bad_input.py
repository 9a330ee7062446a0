"""What the command line answers to input that cannot work: a stable code, what to do about it, and nothing lost."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from e2e3d.ops.sample.sample_scene import SampleScene, build_sample_scene, look_at, sample_poses
from e2e3d.outputs.manifest import read_manifest
from tests.command import SampleRun, run_arguments, stored
from tests.pictures import MAKE, MODEL, encode, exif_of, textured

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 400, 300
INTRINSICS = (380.0, 380.0, WIDTH / 2, HEIGHT / 2)
LENS = {0x920A: 34.2, 0xA405: 34}  # EXIF: focal length, and that of a full-frame camera, in millimetres


@dataclass(frozen=True)
class Answer:
    code: int
    text: str


Run = Callable[..., Answer]


@pytest.fixture(scope="module")
def ray_session() -> Iterator[None]:
    """One private cluster for all tests of the module; runs find Ray connected and leave it so."""
    from e2e3d.tasks.ray_session import RaySession

    session = RaySession(None)
    yield
    session.close()


@pytest.fixture
def run(ray_session: None, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``e2e3d ARGUMENTS`` in this process."""
    from e2e3d.cli import app

    for name in [name for name in os.environ if name.startswith("E2E3D_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("e2e3d.runtime.supervision.supervised", lambda work, patience_s: work())

    def call(*arguments: object) -> Answer:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        return Answer(done.exit_code, done.stderr)

    return call


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def scene() -> SampleScene:
    return build_sample_scene(60)


@pytest.fixture(scope="module")
def views(scene: SampleScene) -> list[bytes]:
    """Four good photographs."""
    return [photograph(scene, pose) for pose in sample_poses(4, radius_m=3.2, span_deg=50)]


def photograph(scene: SampleScene, cam_from_world: np.ndarray, lens: dict[int, float] | None = None) -> bytes:
    image = scene.render(INTRINSICS, cam_from_world, WIDTH, HEIGHT, supersampling=1).image
    return encode(image, exif=exif_of({MAKE: "E2E3D", MODEL: "Test"}, lens))


def write(folder: Path, pictures: list[bytes]) -> None:
    for index, data in enumerate(pictures):
        (folder / f"IMG_{index}.jpg").write_bytes(data)


def fingerprint(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def assert_refused(answer: Answer, exit_code: int, code: str, *words: str) -> None:
    """The block of an expected error: its code first, then what is wrong, and on the next line what to do."""
    assert f"Error [{code}]: " in answer.text, answer.text
    assert answer.code == exit_code
    assert "Traceback" not in answer.text
    message, _, hint = answer.text.partition("Error [")[2].partition("\n")
    assert hint.strip()
    for word in words:
        assert word in f"{message}\n{hint}"


@pytest.mark.parametrize(("count", "words"), [(1, "Only one of 1"), (2, "Only two of 2")])
def test_too_few_photographs(run: Run, photos: Path, views: list[bytes], count: int, words: str) -> None:
    write(photos, views[:count])
    answer = run("run", photos, "-o", photos.parent / "out")
    assert_refused(answer, 3, "too-few-photographs", words, "at least 3")


def test_too_few_that_can_be_read_names_the_others(run: Run, photos: Path, views: list[bytes]) -> None:
    write(photos, [*views[:2], views[2][:1000], b"no picture"])
    answer = run("run", photos, "-o", photos.parent / "out")
    assert_refused(answer, 3, "too-few-photographs", "Only two of 4", "IMG_2.jpg", "IMG_3.jpg")


def test_all_identical(run: Run, photos: Path, views: list[bytes]) -> None:
    write(photos, [views[0]] * 4)
    assert_refused(run("run", photos, "-o", photos.parent / "out"), 3, "identical-photographs", "Walk around")


def test_photographs_that_show_different_things(run: Run, photos: Path) -> None:
    write(photos, [encode(textured(HEIGHT, WIDTH, seed)) for seed in range(4)])
    answer = run("run", photos, "-o", photos.parent / "out")
    assert_refused(answer, 4, "no-overlap", "each overlapping the one before")
    assert stored(photos.parent / "out", "features")  # what was computed stays for the next attempt


@pytest.mark.parametrize("lens", [LENS, None], ids=["focal length in EXIF", "no EXIF"])
def test_a_camera_that_only_turned(run: Run, photos: Path, scene: SampleScene, lens: dict[int, float] | None) -> None:
    centre = np.array([0.0, -3.2, 1.7])
    targets = [np.array([x, 0.1, 1.0]) for x in (-0.5, -0.25, 0.0, 0.25, 0.5)]
    write(photos, [photograph(scene, look_at(centre, target), lens) for target in targets])
    assert_refused(run("run", photos, "-o", photos.parent / "out"), 4, "pure-rotation", "Walk around")


@pytest.mark.parametrize("grain", [0.0, 2.0])
def test_a_blank_wall(run: Run, photos: Path, grain: float) -> None:
    rng = np.random.default_rng(0)
    light = np.linspace(120, 190, WIDTH)[None, :, None]
    walls = [light - 4 * i + rng.normal(0, grain, (HEIGHT, WIDTH, 3)) for i in range(4)]
    write(photos, [encode(np.clip(wall, 0, 255).astype(np.uint8)) for wall in walls])
    answer = run("run", photos, "-o", photos.parent / "out")
    assert answer.code in (3, 4)
    assert "Error [" in answer.text
    assert any(word in answer.text for word in ("plain", "Plain", "blank", "texture"))


def test_intrinsics_of_another_size(run: Run, photos: Path, views: list[bytes]) -> None:
    write(photos, views)
    matrix = photos.parent / "K.txt"
    matrix.write_text("1520 0 800\n0 1520 600\n0 0 1\n")
    answer = run("run", photos, "-o", photos.parent / "out", "--intrinsics", matrix)
    assert_refused(answer, 3, "intrinsics-size", "1600 x 1200", "400 x 300", "ratio of the sizes")


def test_masks_of_other_names(run: Run, photos: Path, views: list[bytes]) -> None:
    write(photos, views)
    masks = photos.parent / "my masks"
    masks.mkdir()
    (masks / "DSC_1.png").write_bytes(encode(np.full((HEIGHT, WIDTH), 255, np.uint8), "PNG"))
    answer = run("run", photos, "-o", photos.parent / "out", "--masks", masks)
    assert_refused(answer, 3, "mask-names", "IMG_0.jpg", "DSC_1.png", "IMG_0.png")


@pytest.mark.parametrize("name", ["../evil.jpg", "/etc/evil.jpg", "a/../../evil.jpg"])
def test_an_archive_that_reaches_outside(run: Run, photos: Path, views: list[bytes], name: str) -> None:
    archive = photos / "set.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("IMG_0.jpg", views[0])
        file.writestr(name, views[1])
    answer = run("run", archive, "-o", photos.parent / "out")
    assert answer.code == 3
    assert "Error [zip-" in answer.text
    assert name in answer.text
    assert not list(photos.parent.rglob("evil.jpg"))


def test_an_archive_that_explodes(run: Run, photos: Path) -> None:
    archive = photos / "set.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for index in range(4):
            file.writestr(f"IMG_{index}.jpg", bytes(60_000_000))
    answer = run("run", archive, "-o", photos.parent / "out")
    assert answer.code == 3
    assert "Error [zip-" in answer.text
    kept = sum(path.stat().st_size for path in (photos.parent / "out").rglob("*") if path.is_file())
    assert kept < 100_000


@pytest.mark.parametrize(
    ("setting", "code", "words"),
    [
        ("depht.max_size=768", "unknown-setting", "Did you mean depth.max_size_px?"),
        ("depth.max_size_px=-1", "bad-setting", "depth.max_size_px"),
        ("texture.atlas_size_px=0", "bad-setting", "texture.atlas_size_px"),
        ("mesh.max_faces=many", "bad-setting", "mesh.max_faces"),
        ("mapping.mapper=fast", "bad-setting", "incremental or global"),
    ],
)
def test_impossible_settings(run: Run, photos: Path, setting: str, code: str, words: str) -> None:
    assert_refused(run("run", photos, "-o", photos.parent / "out", "--set", setting), 2, code, words)
    assert not (photos.parent / "out").exists()


def test_results_cannot_take_the_place_of_a_file(run: Run, photos: Path, views: list[bytes]) -> None:
    write(photos, views)
    before = fingerprint(photos)
    answer = run("run", photos, "-o", photos / "IMG_0.jpg")
    assert_refused(answer, 5, "write-failed", "IMG_0.jpg")
    assert fingerprint(photos) == before


def test_results_among_the_photographs(run: Run, photos: Path, views: list[bytes]) -> None:
    write(photos, views)
    before = fingerprint(photos)
    assert_refused(run("run", photos, "-o", photos), 2, "output-is-source", "another folder")
    assert fingerprint(photos) == before


def test_textures_of_a_result_inside_the_photographs_are_no_photographs(run: Run, photos: Path) -> None:
    result = photos / "model"
    (result / ".e2e3d").mkdir(parents=True)
    (result / "model_0.jpg").write_bytes(encode(textured(HEIGHT, WIDTH)))
    assert_refused(run("run", photos, "-o", result), 3, "no-photographs")
    assert (result / "model_0.jpg").exists()


def test_a_failure_leaves_an_earlier_result_alone(run: Run, photos: Path, views: list[bytes]) -> None:
    out = photos.parent / "out"
    out.mkdir()
    (out / "manifest.json").write_text("{}")
    (out / "model.glb").write_bytes(b"an earlier model")
    write(photos, views[:1])
    assert run("run", photos, "-o", out).code == 3
    assert (out / "model.glb").read_bytes() == b"an earlier model"
    assert (out / "manifest.json").exists()


def test_a_full_disk_from_the_start(
    run: Run, photos: Path, views: list[bytes], small_disk: Callable[[int], Path]
) -> None:
    write(photos, views)
    assert_refused(run("run", photos, "-o", small_disk(65536) / "out"), 5, "disk-full", "Free some space")


def test_a_disk_that_fills_up_on_the_way_keeps_what_is_finished(
    run: Run, sample_run: SampleRun, small_disk: Callable[[int], Path]
) -> None:
    """The disk is too small for the results; once it has grown, the same command goes on where it stopped.

    The results of the stages before are on the disk already, as after an earlier interruption.
    """
    needed, store = bytes_in(sample_run.out), sample_run.out / ".e2e3d" / "store"
    disk = small_disk(2 * needed)
    later = shutil.ignore_patterns("consistency", "fusion", "merge", "mesh", "texture")
    shutil.copytree(store, disk / "out" / ".e2e3d" / "store", ignore=later)
    earlier, used = stored(disk / "out"), bytes_in(disk)
    small_disk((used + needed) // 2)
    arguments = run_arguments(sample_run.photos, disk / "out")
    assert_refused(run(*arguments), 5, "disk-full", "Free some space")
    assert not (disk / "out" / "manifest.json").exists()
    finished = stored(disk / "out")
    assert finished.keys() > earlier.keys()
    small_disk(2 * needed)
    answer = run(*arguments)
    assert answer.code == 0, answer.text
    stages = read_manifest(disk / "out").stages
    assert sum(stage.reused_units for stage in stages) == len(finished)
    assert (disk / "out" / "model.glb").read_bytes() == (sample_run.out / "model.glb").read_bytes()


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
