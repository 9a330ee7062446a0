"""What an operator does on the machine of the service, beside the running service: ``e2e3d admin …``."""

from __future__ import annotations

import dataclasses
import json
import sys

from e2e3d.config.deployment import load_service_settings
from e2e3d.errors import MachineError
from e2e3d.service.database import Database, upgrade
from e2e3d.service.database.table_base import now
from e2e3d.service.file_permissions import keep_files_private
from e2e3d.service.verification.verify import Verified, lines, verify
from e2e3d.storage.opening import open_objects


def verify_store(deep: bool, as_json: bool) -> int:
    """Print every photograph and result that the database names and the store does not have; returns 0 if none.

    Raises:
        MachineError: ``bytes-lost`` when there are some; what the store or the database says.
    """
    keep_files_private()
    settings = load_service_settings()
    database = Database(settings.database, pool_size=2)
    try:
        upgrade(database)
        files = open_objects(settings.store_url, settings.s3_options)
        verified = verify(database, files, deep, now, _show if sys.stderr.isatty() else lambda verified: None)
    finally:
        database.close()
    if as_json:
        sys.stdout.write(f"{json.dumps(dataclasses.asdict(verified))}\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines(verified.lost))
    how = f"read {verified.read_bytes / 1e9:.2f} GB of" if deep else "looked for"
    sys.stderr.write(f"E2E3D {how} {verified.blobs} photographs and {verified.results} results.\n")
    if verified.lost:
        raise MachineError(
            "bytes-lost",
            f"{len(verified.lost)} rows of the database name bytes that the store {settings.store_url} does not have.",
            "Restore the store from a backup, or have the owners upload these photographs and run these jobs again.",
        )
    return 0


def _show(verified: Verified) -> None:
    sys.stderr.write(f"\r{verified.blobs} photographs, {verified.results} results, {len(verified.lost)} lost \r")
    sys.stderr.flush()
