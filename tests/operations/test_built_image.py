"""The image, built with buildah as ``make image`` does: small enough, complete, and it makes a model as it serves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.command import ROOT, wait_for
from tests.running_service import patience_s
from tests.servers import free_port, program

pytestmark = [pytest.mark.slow, pytest.mark.operations, pytest.mark.timeout(5400)]
IMAGE, USER = "localhost/e2e3d-test:cpu", "10001:10001"
START = "/opt/e2e3d/share/start.sh"


def buildah(*words: str, timeout_s: float = 600.0) -> str:
    done = subprocess.run(
        [program("buildah"), "--storage-driver", "overlay", *words],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def options_of_this_machine() -> list[str]:
    """What pip and npm are told here by their environment, told to those in the image too."""
    given: list[str] = []
    if certificates := os.environ.get("PIP_CERT"):
        given += ["--volume", f"{certificates}:/build-certificates:ro", "--env", "PIP_CERT=/build-certificates"]
        given += ["--env", "NODE_EXTRA_CA_CERTS=/build-certificates"]
    if wheels := os.environ.get("PIP_FIND_LINKS"):
        given += ["--volume", f"{wheels}:{wheels}:ro", "--env", f"PIP_FIND_LINKS={wheels}"]
        given += ["--build-arg", "TORCH_INDEX=https://pypi.org/simple"]
    return given


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A container of the image, with the layers of an earlier build where nothing of theirs changed."""
    if os.getuid() != 0 or not (shutil.which("buildah") and shutil.which("mmdebstrap")):
        pytest.skip("needs root, and Debian's packages buildah and mmdebstrap")
    log = tmp_path_factory.mktemp("image") / "build.log"
    with log.open("w") as file:
        done = subprocess.run(
            [str(ROOT / "cluster/images/build.sh"), "cpu", *options_of_this_machine()],
            env=os.environ | {"IMAGE": IMAGE, "BASE": os.environ.get("BASE", "mmdebstrap")},
            stdout=file,
            stderr=subprocess.STDOUT,
            timeout=5000,
            check=False,
        )
    assert done.returncode == 0, log.read_text()[-3000:]
    name = buildah("from", IMAGE)
    yield name
    buildah("rm", name)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home for the container, which its user may write to."""
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, 10001, 10001)
    return tmp_path


def command(container: str, home: Path, *words: str, **environment: str) -> list[str]:
    volumes = ["--volume", f"{home}/home:/var/lib/e2e3d", "--volume", f"{home}/tmp:/tmp"]
    variables = [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
    options = ["--isolation", "chroot", "--user", USER, *volumes, *variables]
    return [program("buildah"), "--storage-driver", "overlay", "run", *options, container, "--", START, *words]


def test_it_is_small_and_says_what_is_inside(container: str) -> None:
    listed = json.loads(buildah("images", "--json", IMAGE))
    assert (
        int(buildah("inspect", "--type", "image", "--format", "{{.OCIv1.Config.User}}", IMAGE).split(":")[0]) == 10001
    )
    size, unit = listed[0]["size"].split()
    assert (float(size) < 3.0 and unit == "GB") or unit == "MB", listed[0]["size"]
    mounted = Path(buildah("mount", container))
    try:
        parts = json.loads((mounted / "opt/e2e3d/sbom.cdx.json").read_text("utf-8"))["components"]
        assert {"ray", "torch", "pycolmap"} <= {each["name"] for each in parts}
    finally:
        buildah("umount", container)


def test_a_command_makes_a_model_of_photographs(container: str, home: Path, sample_set: Path) -> None:
    shutil.copytree(sample_set / "images", home / "home" / "photographs")
    words = ("run", "/var/lib/e2e3d/photographs", "-o", "/var/lib/e2e3d/out", "--quality", "preview")
    done = subprocess.run(
        command(container, home, *words), capture_output=True, text=True, timeout=patience_s(900), check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    out = home / "home" / "out"
    assert (out / "model.glb").stat().st_size > 100_000
    assert json.loads((out / "manifest.json").read_text("utf-8"))["judgement"]["verdict"] == "good"
    assert (out / "model.glb").stat().st_uid == 10001


def test_it_serves_and_ends_when_told_to(container: str, home: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (home / "serve.log").open("w") as log:
        serve = subprocess.Popen(
            command(container, home, "serve", E2E3D_PORT=str(port)), stdout=log, stderr=subprocess.STDOUT
        )

    def ready() -> bool:
        assert serve.poll() is None, (home / "serve.log").read_text()[-3000:]
        try:
            return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_for(ready, patience_s(180))
        assert "E2E3D" in httpx.get(url, follow_redirects=True, timeout=30).text  # the page is in the image
    finally:
        serve.send_signal(signal.SIGTERM)
        serve.wait(patience_s(60))
