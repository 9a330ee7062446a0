from pathlib import Path

import pytest

from tests.command import SampleRun, e2e3d, run_arguments
from tests.servers import _migrated, database, database_url, postgres, redis_server, s3, s3_server

__all__ = ["_migrated", "database", "database_url", "postgres", "redis_server", "s3", "s3_server"]

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
    from e2e3d.jobs.sample import write_sample

    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, count=8, width_px=640)
    return folder


@pytest.fixture(scope="session")
def sample_run(sample_set: Path, tmp_path_factory: pytest.TempPathFactory) -> SampleRun:
    """One undisturbed run of the command line on the small sample set; tests must leave its folder as it is."""
    out = tmp_path_factory.mktemp("run") / "out"
    done = e2e3d(*run_arguments(sample_set / "images", out), timeout_s=500)
    assert done.returncode == 0, done.stderr
    return SampleRun(sample_set, out, done.stdout)
