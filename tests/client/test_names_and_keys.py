"""Names beside ids, lists that are searched, and sign-ins with a key."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from e2e3d.client import Client
from e2e3d.client.credentials import credentials_path
from tests.client.typed import as_json, command, printed, refused
from tests.command import ROOT, environment
from tests.command import command as in_a_process
from tests.live import EMAIL, PASSWORD, LiveService


@pytest.mark.slow
def test_a_name_does_as_well_as_an_id(signed_in: LiveService, photographs: Path) -> None:
    image_set = printed("upload", photographs, "--name", "Größe 1/2 %_")
    job = printed("submit", "Größe 1/2 %_", "--quality", "preview")
    assert as_json("show", "Größe 1/2 %_")["id"] == job  # a job is called as its image set unless it is told otherwise
    assert as_json("show", job)["image_set_id"] == image_set
    refused("show", "größe 1/2 %_", code="no-such-name", exit_code=8)  # a part, or another case, is another name
    fence = signed_in.begin(job)
    signed_in.end(fence)
    assert "ready" in command("watch", "Größe 1/2 %_").stderr
    assert f"Deleted {job}." in command("delete", "Größe 1/2 %_").stderr
    refused("show", "Größe 1/2 %_", code="no-such-name", exit_code=8)


def test_a_name_that_several_have_lists_their_ids_and_does_nothing(signed_in: LiveService) -> None:
    first, second = printed("sets", "create", "twins"), printed("sets", "create", "twins")
    said = refused("sets", "delete", "twins", code="ambiguous-name", exit_code=2)
    assert "2 of the name 'twins'" in said
    assert first in said
    assert second in said
    assert {one["id"] for one in as_json("sets", "list", "--search", "TWIN")} == {first, second}
    printed("sets", "delete", first)
    assert as_json("sets", "show", "twins")["id"] == second


@pytest.mark.parametrize(
    ("line", "listing"),
    [
        ("submit nowhere", "sets list"),
        ("upload . --to nowhere", "sets list"),
        ("watch nowhere", "list"),
        ("sets photos nowhere", "sets list"),
        ("keys revoke nowhere", "keys list"),
        ("users show nowhere", "users list"),
        ("webhooks show nowhere", "webhooks list"),
    ],
)
def test_a_name_that_nothing_has_says_where_to_look(signed_in: LiveService, line: str, listing: str) -> None:
    assert f"See which there are: e2e3d {listing}\n" in refused(*line.split(), code="no-such-name", exit_code=8)


@pytest.mark.slow
def test_jobs_are_looked_for(signed_in: LiveService, photographs: Path) -> None:
    here, there = printed("upload", photographs, "--name", "here"), printed("upload", photographs, "--new")
    jobs = [
        printed("submit", one, "--quality", "preview", "--name", name)
        for one, name in ((here, "Nave east"), (here, "Nave west"), (there, "Tower"))
    ]
    printed("cancel", jobs[1])

    def found(*options: str) -> list[str]:
        return [one["id"] for one in as_json("list", *options) if one["id"] in jobs]

    assert found("--search", "nave") == [jobs[1], jobs[0]]
    assert found("--of", "here") == [jobs[1], jobs[0]]
    assert found("--state", "queued") == [jobs[2], jobs[0]]
    assert found("--state", "queued", "--state", "cancelled") == [jobs[2], jobs[1], jobs[0]]
    tomorrow = f"{datetime.date.today() + datetime.timedelta(days=2)}"
    assert found("--created-after", tomorrow) == []
    assert found("--created-before", tomorrow, "--created-after", "2020-01-01T12:00") == [jobs[2], jobs[1], jobs[0]]
    refused("list", "--created-after", "yesterday", code="bad-setting", exit_code=2)
    refused("list", "--sets", "--state", "queued", code="bad-option", exit_code=2)
    for job in (jobs[0], jobs[2]):
        printed("cancel", job)


def test_a_key_signs_in_and_is_kept_for_its_owner_only(
    service: LiveService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ways = (
        (("--key", service.key), None, None),
        (("--key-stdin",), f"{service.key}\n", None),
        ((), None, service.key),
    )
    for options, typed, given in ways:
        if given is not None:
            monkeypatch.setenv("E2E3D_API_KEY", given)
        done = command("login", "--url", service.url, *options, typed=typed)
        monkeypatch.delenv("E2E3D_API_KEY", raising=False)
        assert done.exit_code == 0, done.stderr
        assert f"as {EMAIL}, with an API key" in done.stderr
        assert service.key not in done.output
        assert credentials_path().stat().st_mode & 0o777 == 0o600
        assert credentials_path().parent.stat().st_mode & 0o777 == 0o700
        assert as_json("usage")["scopes"] == ["read", "write"]
        refused("users", "list", code="scope-missing", exit_code=7)
        assert command("logout").exit_code == 0
        assert service.key not in credentials_path().read_text()
        refused("usage", "--url", service.url, code="login-required", exit_code=7)
    with Client(service.url, service.key) as client:
        client.me()  # forgotten here, but not revoked


def test_a_wrong_key_is_not_kept(signed_in: LiveService) -> None:
    kept = credentials_path().read_text()
    refused("login", "--url", signed_in.url, "--key", "e2e_nonsense", code="token-invalid", exit_code=7)
    refused("login", "--url", signed_in.url, "--key-stdin", typed="\n", code="bad-key", exit_code=7)
    refused("login", "--url", signed_in.url, "--key", "schlüssel", code="bad-key", exit_code=7)
    refused("login", "--url", signed_in.url, "--key", "", code="bad-key", exit_code=7)
    refused("login", "--email", EMAIL, "--key", signed_in.key, code="bad-option", exit_code=2)
    assert credentials_path().read_text() == kept
    assert as_json("usage")["email"] == EMAIL


def test_a_password_replaces_a_kept_key_and_is_told_of_the_environment(
    service: LiveService, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("login", "--url", service.url, "--key", service.key).exit_code == 0
    monkeypatch.setenv("E2E3D_API_KEY", "e2e_nonsense")
    done = command("login", "--url", service.url, "--email", EMAIL, "--password-stdin", typed=f"{PASSWORD}\n")
    assert "E2E3D_API_KEY is set" in done.stderr
    monkeypatch.delenv("E2E3D_API_KEY")
    assert "api_key" not in json.loads(credentials_path().read_text())["services"][service.url]
    assert as_json("usage")["scopes"] == ["read", "write", "admin"]


@pytest.mark.slow
def test_bash_completes_commands_options_and_values() -> None:
    lines = {"e2e3d key": "keys", "e2e3d keys ": "list create revoke", "e2e3d submit x --quality m": "medium"}
    script = ['eval "$(_E2E3D_COMPLETE=source_bash e2e3d)"']
    for line in lines:
        words = line.split(" ")
        script.append(f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; _e2e3d_completion e2e3d")
        script.append('echo "${COMPREPLY[@]}"')
    given = environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    done = subprocess.run(["bash", "-euc", "\n".join(script)], env=given, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == list(lines.values()), done.stderr


@pytest.mark.parametrize(
    ("shell", "given"),
    [
        ("zsh", {"_TYPER_COMPLETE_ARGS": "e2e3d webhooks edit x --dis"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "e2e3d webhooks edit x --dis", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
@pytest.mark.slow
def test_other_shells_are_answered(shell: str, given: dict[str, str]) -> None:
    program = Path(sys.executable).parent / "e2e3d"

    def said(what: str) -> str:
        asked = environment(_E2E3D_COMPLETE=f"{what}_{shell}", **given)
        return subprocess.run([program], env=asked, capture_output=True, text=True, timeout=120).stdout

    assert f"complete_{shell}" in said("source")
    assert "--disable" in said("complete")
    assert "--enable" not in said("complete")


def test_the_version_is_told() -> None:
    assert printed("--version") == f"e2e3d {importlib.metadata.version('e2e3d')}"


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_a_listing_quietly(signed_in: LiveService) -> None:
    for number in range(3):
        printed("sets", "create", f"piped {number}")
    given = environment(E2E3D_URL=signed_in.url, E2E3D_API_KEY=signed_in.key)
    listing = subprocess.Popen(
        in_a_process("sets", "list"), env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert listing.stdout is not None
    listing.stdout.close()
    assert listing.stderr is not None
    assert (listing.wait(60), listing.stderr.read()) == (0, "")
