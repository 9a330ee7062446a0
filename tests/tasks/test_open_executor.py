"""Which executor computes a run, by its name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from e2e3d.config.deployment import Settings
from e2e3d.errors import SettingsError
from e2e3d.tasks.open_executor import executor_opener

# Whether Ray was imported by a run in this process; a breakpoint stops where its code is.
CODE = """
import sys
from pathlib import Path
from e2e3d.api import reconstruct
from e2e3d.errors import E2E3DError
try:
    reconstruct(Path(sys.argv[1]), Path(sys.argv[2]), "preview", executor="inprocess", device="cpu")
except E2E3DError as error:
    print(error.code, "ray" in sys.modules)
"""


def test_an_executor_that_is_none_is_refused() -> None:
    name: Any = "dask"
    with pytest.raises(SettingsError) as caught:
        executor_opener(Settings(), name)
    assert caught.value.code == "bad-setting"


def test_a_run_in_this_process_does_without_ray(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        (photos / f"{number}.jpg").write_bytes(b"no photograph")
    ran = subprocess.run(
        [sys.executable, "-c", CODE, photos, tmp_path / "out"], capture_output=True, text=True, check=False
    )
    assert ran.stdout.split() == ["too-few-photographs", "False"], ran.stderr
    assert list((tmp_path / "out" / ".e2e3d" / "store" / "ingest").rglob("*.safetensors"))
