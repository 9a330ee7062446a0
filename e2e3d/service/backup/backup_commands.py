"""The commands ``e2e3d admin backup`` and ``restore``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from e2e3d.runtime.reporting import reporting

_Passphrase = Annotated[
    Path | None, typer.Option("--passphrase-file", help="File whose first line encrypts settings and secrets.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]


def backup(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="Folder or s3:// URL that backups are kept in.")],
    passphrase_file: _Passphrase = None,
    keep: Annotated[int | None, typer.Option(min=1, help="Remove all but so many backups afterwards.")] = None,
    objects_only: Annotated[
        bool, typer.Option("--objects-only", help="Only copy new objects, for a database with archived logs.")
    ] = False,
    show_list: Annotated[bool, typer.Option("--list", help="List the backups that there are, and make none.")] = False,
    as_json: _Json = False,
) -> None:
    """Back up database, photographs and results of a service, with its settings, while it runs.

    Only objects that no earlier backup has are copied; artifacts are left out, since they are computed again.
    """

    def work() -> int:
        from e2e3d.service.backup import backup_run

        if show_list:
            return backup_run.list_backups(place, as_json)
        if objects_only:
            return backup_run.run_object_copy(place, as_json)
        return backup_run.run_backup(place, passphrase_file, keep, as_json)

    sys.exit(reporting(work))


def restore(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="Folder or s3:// URL that backups are kept in.")],
    backup_id: Annotated[str | None, typer.Option("--id", help="Which backup; the newest otherwise.")] = None,
    passphrase_file: _Passphrase = None,
    configuration_to: Annotated[
        Path | None, typer.Option(help="Only write the settings and secrets to this file, as E2E3D_NAME=value.")
    ] = None,
    objects_only: Annotated[
        bool, typer.Option("--objects-only", help="Only bring objects back, for a database that was recovered.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Restore a backup into an empty database, and what it names into the store; the service must not run.

    Exit code 5 when some objects are in no backup; everything else is restored then.
    """

    def work() -> int:
        from e2e3d.service.backup import backup_run

        if configuration_to is not None:
            return backup_run.run_configuration(place, backup_id, passphrase_file, configuration_to)
        return backup_run.run_restore(place, backup_id, passphrase_file, objects_only, as_json)

    sys.exit(reporting(work))
