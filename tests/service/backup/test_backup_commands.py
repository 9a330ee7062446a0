"""The commands of backups as operators type them: settings and secrets, what is printed, exit codes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from e2e3d.errors import E2E3DError
from e2e3d.service.backup.sealed_settings import decrypted_configuration, encrypted_configuration, read_passphrase
from tests.command import e2e3d
from tests.service.backup.deployments import Deployment, embedded, filled

__all__ = ["embedded", "filled"]

PASSPHRASE = "correct horse battery staple"


def test_settings_come_back_with_the_passphrase_only(embedded: Deployment) -> None:
    settings = embedded.settings.model_copy(update={"redis_url": "redis://:it's $ecret@host/0", "replicas": 4})
    content = encrypted_configuration(settings, PASSPHRASE)
    assert b"ecret@host" not in content
    text = decrypted_configuration(content, PASSPHRASE)
    shell = subprocess.run(["bash", "-c", f'{text}\nprintf %s "$E2E3D_REDIS_URL"'], capture_output=True, text=True)
    assert shell.stdout == "redis://:it's $ecret@host/0"
    assert "E2E3D_REPLICAS=4\n" in text
    assert "E2E3D_PORT" not in text  # a default
    for wrong, passphrase in ((content, PASSPHRASE + "!"), (content[:-3], PASSPHRASE), (b"nothing", PASSPHRASE)):
        with pytest.raises(E2E3DError) as caught:
            decrypted_configuration(wrong, passphrase)
        assert caught.value.code == "passphrase-wrong"


def test_a_passphrase_is_a_line_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_text(f"{PASSPHRASE}\n")
    assert read_passphrase(path) == PASSPHRASE
    for content, code in (("short\n", "passphrase-short"), ("", "passphrase-short"), (None, "no-file")):
        path.unlink()
        if content is not None:
            path.write_text(content)
        else:
            path = tmp_path / "none"
        with pytest.raises(E2E3DError) as caught:
            read_passphrase(path)
        assert caught.value.code == code


@pytest.mark.slow
def test_from_the_first_backup_to_another_machine(embedded: Deployment, tmp_path: Path) -> None:
    (embedded.home / "secret-key").write_text("the secret of the service, 32 or more")
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(PASSPHRASE)
    here = {"E2E3D_HOME": str(embedded.home)}
    made = e2e3d("admin", "backup", embedded.place, "--passphrase-file", passphrase, "--keep", 3, "--json", **here)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["configuration"] is True
    listed = e2e3d("admin", "backup", embedded.place, "--list", **here)
    assert listed.stdout.startswith(json.loads(made.stdout)["id"])
    tried = e2e3d("admin", "verify", embedded.place, **here)
    assert (tried.returncode, tried.stdout) == (0, ""), tried.stderr
    assert "3 photographs and 1 results" in tried.stderr

    there = {"E2E3D_HOME": str(tmp_path / "elsewhere")}
    back = e2e3d("admin", "restore", embedded.place, "--passphrase-file", passphrase, **there)
    assert back.returncode == 0, back.stderr
    assert (tmp_path / "elsewhere" / "secret-key").read_text() == "the secret of the service, 32 or more"
    assert e2e3d("admin", "verify", "--deep", **there).returncode == 0
    twice = e2e3d("admin", "restore", embedded.place, **there)
    assert (twice.returncode, "database-not-empty" in twice.stderr) == (3, True)

    Path(next((Path(embedded.place) / "objects" / "results").rglob("model.glb"))).unlink()
    broken = e2e3d("admin", "verify", embedded.place, **here)
    assert (broken.returncode, "bytes-lost" in broken.stderr) == (5, True)
    assert "model.glb  missing" in broken.stdout
