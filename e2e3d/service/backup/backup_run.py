"""What the commands of backups do, with the settings of the service that they stand beside."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from e2e3d.config.deployment import ServiceSettings, load_service_settings
from e2e3d.config.deployment.sources import read_settings
from e2e3d.errors import InputError, SettingsError
from e2e3d.service.backup.backup_folder import BackupFolder
from e2e3d.service.backup.make_backup import CONFIGURATION, copy_objects, make_backup, note
from e2e3d.service.backup.records import Manifest, line_of
from e2e3d.service.backup.restore_backup import lost_error, restore_backup, restore_objects
from e2e3d.service.backup.sealed_settings import decrypted_configuration, read_passphrase
from e2e3d.service.backup.verify_backup import verify_backup
from e2e3d.service.database import Database, upgrade
from e2e3d.service.database.table_base import now
from e2e3d.service.file_permissions import keep_files_private
from e2e3d.service.verification.verify import lines
from e2e3d.storage.atomic_files import write_bytes
from e2e3d.storage.objects import ObjectStore
from e2e3d.storage.opening import open_objects


def run_backup(place: str, passphrase_file: Path | None, keep: int | None, as_json: bool) -> int:
    """Make a backup and remove old ones; returns the exit code."""
    passphrase = None if passphrase_file is None else read_passphrase(passphrase_file)
    with _opened(place, with_secrets=True) as (settings, database, files, folder):
        upgrade(database)
        manifest = make_backup(settings, database, files, folder, passphrase, now, _show())
        removed = 0 if keep is None else folder.prune(keep)
    if as_json:
        sys.stdout.write(f"{json.dumps(json.loads(manifest.to_json()))}\n")
    else:
        sys.stdout.write(f"{line_of(manifest)}\n")
    took_s = (manifest.finished_at - manifest.began_at).total_seconds()
    sys.stderr.write(
        f"Copied {manifest.copied} new objects, {manifest.copied_bytes / 1e9:.3f} GB, in {took_s:.1f} s; "
        f"removed {removed} older backups.\n"
    )
    if not manifest.configuration:
        sys.stderr.write("Settings and secrets are NOT in it: name a --passphrase-file, or keep them elsewhere.\n")
    if manifest.lost:
        sys.stderr.write(f"{len(manifest.lost)} objects were lost before: see e2e3d admin verify.\n")
    return 0


def run_object_copy(place: str, as_json: bool) -> int:
    """Copy new objects; returns the exit code."""
    with _opened(place) as (_, database, files, folder):
        copied, count = copy_objects(database, files, folder, now, _show())
    if as_json:
        sys.stdout.write(f"{json.dumps({'copied': copied, 'copied_bytes': count})}\n")
    else:
        sys.stderr.write(f"Copied {copied} new objects, {count / 1e9:.3f} GB.\n")
    return 0


def list_backups(place: str, as_json: bool) -> int:
    """Print all backups, the oldest first; returns the exit code."""
    settings = read_settings(ServiceSettings)
    for manifest in BackupFolder(place, settings.backup_s3_options).manifests():
        text = json.dumps(json.loads(manifest.to_json())) if as_json else line_of(manifest)
        sys.stdout.write(f"{text}\n")
    return 0


def run_restore(
    place: str, backup_id: str | None, passphrase_file: Path | None, objects_only: bool, as_json: bool
) -> int:
    """Restore; returns the exit code."""
    began_s = time.monotonic()
    passphrase = None if passphrase_file is None else read_passphrase(passphrase_file)
    with _opened(place) as (settings, database, files, folder):
        if objects_only:
            restored = restore_objects(database, files, folder, _show())
        else:
            manifest = folder.manifest(backup_id)
            if passphrase is not None:
                _keep_secret(settings, _configuration(folder, manifest, passphrase))
            sys.stderr.write(f"Restoring {line_of(manifest)}\n")
            restored = restore_backup(database, files, folder, manifest, now(), _show())
    took_s = time.monotonic() - began_s
    if as_json:
        sys.stdout.write(f"{json.dumps(dataclasses.asdict(restored) | {'seconds': took_s})}\n")
    sys.stderr.write(f"Restored {restored.copied} objects, {restored.copied_bytes / 1e9:.3f} GB, in {took_s:.1f} s.\n")
    if restored.lacking:
        sys.stderr.writelines(f"lost  {name}\n" for name in restored.lacking)
        raise lost_error(len(restored.lacking), place)
    return 0


def run_configuration(place: str, backup_id: str | None, passphrase_file: Path | None, target: Path) -> int:
    """Write the settings of a backup to a file that only its owner may read; needs no settings but those of S3."""
    if passphrase_file is None:
        raise SettingsError("option", "--configuration-to needs a --passphrase-file.", "Name it.")
    keep_files_private()
    folder = BackupFolder(place, read_settings(ServiceSettings).backup_s3_options)
    manifest = folder.manifest(backup_id)
    write_bytes(target, _configuration(folder, manifest, read_passphrase(passphrase_file)).encode())
    sys.stderr.write(f"The settings of {manifest.id} are in {target}.\n")
    return 0


def _configuration(folder: BackupFolder, manifest: Manifest, passphrase: str) -> str:
    if not manifest.configuration:
        raise InputError(
            "no-configuration",
            f"The backup {manifest.id} was made without a passphrase, and holds no settings.",
            "Take them from where you keep them.",
        )
    return decrypted_configuration(b"".join(folder.read(folder.name(manifest.id, CONFIGURATION))), passphrase)


def _keep_secret(settings: ServiceSettings, configuration: str) -> None:
    """Give an embedded service the key that it had, so that its users stay signed in and webhooks stay valid."""
    path = settings.home / "secret-key"
    given = dict(line.partition("=")[::2] for line in configuration.splitlines())
    if settings.embedded and settings.secret_key is None and not path.exists():
        write_bytes(path, shlex.split(given["E2E3D_SECRET_KEY"])[0].encode())


def run_verify(place: str, backup_id: str | None, as_json: bool) -> int:
    """Try a backup out; returns the exit code."""
    with _opened(place) as (_, database, _, folder):
        manifest = folder.manifest(backup_id)
        verified = verify_backup(database, folder, manifest, now)
        if not verified.lost:
            note(database, "verified", manifest, now())
    if as_json:
        sys.stdout.write(f"{json.dumps(dataclasses.asdict(verified) | {'id': manifest.id})}\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines(verified.lost))
    sys.stderr.write(
        f"The database of {manifest.id} restores; {verified.blobs} photographs and {verified.results} results, "
        f"{verified.read_bytes / 1e9:.3f} GB, were read.\n"
    )
    if verified.lost:
        raise lost_error(len(verified.lost), place)
    return 0


@contextlib.contextmanager
def _opened(
    place: str, with_secrets: bool = False
) -> Iterator[tuple[ServiceSettings, Database, ObjectStore, BackupFolder]]:
    keep_files_private()
    settings = load_service_settings() if with_secrets else read_settings(ServiceSettings)
    database = Database(settings.database, pool_size=4)
    try:
        files = open_objects(settings.store_url, settings.s3_options)
        yield settings, database, files, BackupFolder(place, settings.backup_s3_options)
    finally:
        database.close()


class _show:  # noqa: N801 -- a function with a state
    """Prints how many objects were copied, twice a second, on terminals only."""

    def __init__(self) -> None:
        self._said_s = 0.0

    def __call__(self, copied: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - self._said_s > 0.5:
            self._said_s = time.monotonic()
            sys.stderr.write(f"\r{copied} objects copied \r")
            sys.stderr.flush()
