"""The command ``e2e3d admin prepare-storage``."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from e2e3d.runtime.reporting import reporting

if TYPE_CHECKING:
    from e2e3d.config.deployment.s3 import S3Options
    from e2e3d.storage.bucket_setup import Step


def prepare_storage(
    key_file: Annotated[
        Path | None, typer.Option(help="File with the access key of who may make buckets; E2E3D_S3_KEY otherwise.")
    ] = None,
    secret_file: Annotated[Path | None, typer.Option(help="File with its secret.")] = None,
    keep_versions_days: Annotated[
        int, typer.Option(min=1, help="How long what was deleted or written over can be brought back.")
    ] = 30,
    users: Annotated[
        Path | None, typer.Option(help="Make a user for each process, and write the keys as FOLDER/USER.toml.")
    ] = None,
    policies: Annotated[
        Path | None, typer.Option(help="Write what each user may do as FOLDER/USER.json, for servers without IAM.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each part.")] = False,
) -> None:
    """Prepare the bucket of E2E3D_STORE: make it, keep versions for a while, encrypt it, and make its users.

    It can be run again, and changes only what is different. What the server does not have is said; exit code 5 when
    something was refused.
    """

    def work() -> int:
        from e2e3d.config.deployment import load_service_settings
        from e2e3d.storage.bucket_setup import Outcome, prepare_bucket

        settings = load_service_settings()
        given = {"key": _content(key_file), "secret": _content(secret_file)}
        options = dataclasses.replace(settings.s3_options, **{name: value for name, value in given.items() if value})
        refused = False

        def tell(step: Step) -> None:
            nonlocal refused
            refused |= step.outcome is Outcome.REFUSED
            line = f"{step.what:<18} {step.outcome.value:<14} {step.detail}"
            said = json.dumps({"what": step.what, "outcome": step.outcome.value, "detail": step.detail})
            sys.stdout.write(f"{said if as_json else line}\n")

        for step in prepare_bucket(settings.store_url, options, keep_versions_days):
            tell(step)
        if policies is not None:
            _write_policies(policies, settings.store_url)
        if users is not None:
            for step in _make_users(users, settings.store_url, options):
                tell(step)
        return 5 if refused else 0

    sys.exit(reporting(work))


def _content(file: Path | None) -> str | None:
    from e2e3d.errors import SettingsError

    try:
        return None if file is None else file.read_text("utf-8").strip()
    except OSError as error:
        raise SettingsError("key-file", f"{file} cannot be read: {error.strerror}.", "Name a file that can.") from error


def _write_policies(folder: Path, url: str) -> None:
    from e2e3d.storage.bucket_setup import USERS, policy

    folder.mkdir(parents=True, exist_ok=True)
    for name, actions in USERS.items():
        (folder / f"{name}.json").write_text(json.dumps(policy(url, actions), indent=1) + "\n", "utf-8")


def _make_users(folder: Path, url: str, options: S3Options) -> Iterator[Step]:
    from e2e3d.storage.bucket_setup import USERS, prepare_user

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in USERS:
        file = folder / f"{name}.toml"
        step, key = prepare_user(name, url, options, file.exists())
        if key:
            file.touch(mode=0o600)
            file.write_text("".join(f'{setting} = "{value}"\n' for setting, value in key.items()), "utf-8")
        yield step
