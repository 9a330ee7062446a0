from pathlib import Path

import pytest

from tests.cluster import cluster
from tests.command import SampleRun, e2e3d, run_arguments
from tests.disks import small_disk
from tests.running_service import make_service
from tests.servers import _migrated, database, database_url, postgres, redis_server, s3, s3_server
from tests.sharing import IN_WORKER, made_once

__all__ = [
    "_migrated",
    "cluster",
    "database",
    "database_url",
    "make_service",
    "postgres",
    "redis_server",
    "s3",
    "s3_server",
    "small_disk",
]

SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared_folder(name: str) -> Path:
    """A folder of the optional material beside the repository; skips the test, and says so, where it is missing."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{folder.name} is not beside the repository")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    return shared_folder("data")


@pytest.fixture(scope="session")
def shared_eval() -> Path:
    return shared_folder("eval")


@pytest.fixture(scope="session")
def sample_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample set with its exact cameras and surface: 8 photographs of 640 x 480 pixels."""
    from e2e3d.outputs.sample_set import write_sample

    return made_once(tmp_path_factory, "sample", lambda folder: write_sample(folder, count=8, width_px=640))


@pytest.fixture(scope="session")
def sample_run(sample_set: Path, tmp_path_factory: pytest.TempPathFactory) -> SampleRun:
    """One undisturbed run of the command line on the small sample set; tests must leave its folder as it is."""

    def run(folder: Path) -> None:
        done = e2e3d(*run_arguments(sample_set / "images", folder / "out"), timeout_s=500)
        assert done.returncode == 0, done.stderr
        (folder / "printed").write_text(done.stdout)

    folder = made_once(tmp_path_factory, "run", run)
    return SampleRun(sample_set, folder / "out", (folder / "printed").read_text())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several processes, files of slow tests come first: one that begins late would keep the others waiting."""
    if not IN_WORKER:
        return
    quick = {item.path for item in items if item.get_closest_marker("slow") is None}
    items.sort(key=lambda item: item.path in quick)
