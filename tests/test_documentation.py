"""What the documents say is true: their examples run, and they name every operation and every setting."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from e2e3d.config.deployment import ServiceSettings
from e2e3d.serve.app import create_app
from e2e3d.service.jobs import leases
from e2e3d.service.jobs.records import Fence
from scripts import errors_page, metrics_page
from tests.client.conftest import write_photographs
from tests.command import ROOT
from tests.live import PASSWORD, LiveService, live_service, now

API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
JQ = """#!{python}
import json, sys
value = json.load(sys.stdin)
for name in sys.argv[2].strip(".").split("."):
    value = value[name]
print(value)
"""


@pytest.fixture
def living(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveService]:
    """A service whose jobs are done at once, and a folder with photographs to work in."""
    write_photographs(tmp_path / "photographs", 3, seed=5)
    for name in ("config", "state"):
        monkeypatch.setenv(f"XDG_{name.upper()}_HOME", str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    with live_service(tmp_path / "home") as live:
        monkeypatch.setenv("E2E3D_URL", live.url)
        monkeypatch.setenv("E2E3D_API_KEY", live.key)
        ended = threading.Event()
        worker = threading.Thread(target=do_every_job, args=(live, ended))
        worker.start()
        yield live
        ended.set()
        worker.join()


def do_every_job(live: LiveService, ended: threading.Event) -> None:
    while not ended.wait(0.05):
        with live.services.database.session() as session:
            job = leases.claim(session, "documents:0", now(), 600.0)
        if job is None:
            continue
        fence = Fence(job.id, "documents:0", job.attempt)
        live.progress(fence, "depth", 1, 2, 0.5, job.user_id)
        live.result(fence, "model.glb", b"model")
        live.end(fence)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_python_examples_run(living: LiveService, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examples = blocks(API, "python")
    assert len(examples) == 3
    for example in examples:
        exec(compile(example, "docs/api.md", "exec"), {"__name__": "__main__"})
    assert (tmp_path / "model" / "model.glb").read_bytes() == b"model"
    assert (tmp_path / "statue" / "model.glb").read_bytes() == b"model"
    assert "job.succeeded" in capsys.readouterr().out


@pytest.mark.slow
def test_the_curl_examples_run(living: LiveService, tmp_path: Path) -> None:
    (script,) = blocks(API, "bash")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "jq").write_text(JQ.format(python=sys.executable))
    (programs / "jq").chmod(0o755)
    environment = os.environ | {"PASSWORD": PASSWORD, "PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "event: job.succeeded" in done.stdout
    assert (tmp_path / "model.glb").read_bytes() == b"model"


def test_the_page_of_settings_is_what_the_stages_declare() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "settings_page.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == done.stdout


def test_the_page_of_all_commands_is_what_the_parser_says() -> None:
    said = subprocess.run(
        [sys.executable, "scripts/commands_page.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert said == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8"), "make docs"


def test_the_page_of_errors_is_what_the_code_raises() -> None:
    wanted = "python scripts/errors_page.py > docs/errors.md"
    assert (ROOT / "docs" / "errors.md").read_text(encoding="utf-8") == errors_page.page(), wanted
    errors = {(error.kind, error.code): error for error in errors_page.raised_errors()}
    assert errors["MachineError", "no-logs"].message == "There are no collected logs in …."


def test_the_page_of_metrics_is_what_the_code_exports() -> None:
    wanted = "python scripts/metrics_page.py > docs/metrics.md"
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == metrics_page.page(), wanted


def test_every_operation_is_in_the_table_and_no_other(living: LiveService) -> None:
    paths = create_app(living.services).openapi()["paths"]
    there = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", API, re.MULTILINE)) == there


def test_every_operation_that_the_text_names_exists(living: LiveService) -> None:
    known = list(create_app(living.services).openapi()["paths"])
    patterns = [re.compile(re.sub(r"\{[^}]*\}", r"[^ ]+", path)) for path in known]
    sockets = {"/v1/events/ws", "/v1/jobs/{job_id}/events/ws", "/v1/openapi.json"}
    named = set(re.findall(r"`(?:[A-Z]+ )?(/v1/[^`?]*)`", API + OPERATIONS)) - sockets
    assert named
    assert [path for path in named if not any(pattern.fullmatch(path) for pattern in patterns)] == []


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = re.findall(r"^\| (`E2E3D_[^|]*) \| [^|]* \| ([^|]*) \|$", OPERATIONS, re.MULTILINE)
    documented: dict[str, str | None] = {}
    for names, defaults in rows:
        variables = re.findall(r"`(E2E3D_\w+)`", names)
        values = re.findall(r"`([^`]*)`", defaults)
        for position, variable in enumerate(variables):
            documented[variable] = values[position] if len(values) == len(variables) else None
    fields = ServiceSettings.model_fields
    assert set(documented) == {f"E2E3D_{name.upper()}" for name in fields}
    for name, field in fields.items():
        default, said = field.default, documented[f"E2E3D_{name.upper()}"]
        if default is None or default is PydanticUndefined or default == ():
            continue
        text = ",".join(default) if isinstance(default, tuple) else str(default)
        assert said is not None, name
        assert text.lower() == said.lower(), name
