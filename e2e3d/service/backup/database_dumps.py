"""Dumps of the database with the list of objects of exactly the same moment, and loads of them into an empty one."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, inspect
from sqlalchemy.orm import Session

from e2e3d.errors import InputError, MachineError
from e2e3d.service.backup import queries
from e2e3d.service.backup.records import NamedObject
from e2e3d.service.database import Database
from e2e3d.storage.failures import machine_errors
from e2e3d.storage.objects import BLOCK_BYTES

_POSTGRESQL = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Snapshot:
    """One moment of the database: `dump` writes it out, `objects` are those that it names; good while it is open."""

    kind: str
    revision: str
    dump: Callable[[], Iterator[bytes]]
    objects: Callable[[], Iterator[NamedObject]]


@contextlib.contextmanager
def snapshot(database: Database) -> Iterator[Snapshot]:
    """Hold one moment of the database while the service goes on.

    PostgreSQL exports the moment of a transaction, which pg_dump takes up; SQLite copies the file page by page, and
    begins again by itself where a writer changes it meanwhile.

    Raises:
        MachineError: ``database-away``, ``program-missing``, ``dump-failed``; ``disk-full`` for the copy of SQLite.
    """
    with _sqlite_snapshot(database) if database.is_sqlite else _postgresql_snapshot(database) as found:
        yield found


@contextlib.contextmanager
def _postgresql_snapshot(database: Database) -> Iterator[Snapshot]:
    with database.connection() as connection, Session(connection) as session:
        moment = queries.begin_snapshot(session)
        command = [postgresql_program("pg_dump"), "--format=custom", "--no-owner", "--no-privileges"]
        command += [f"--snapshot={moment}", f"--dbname={_conninfo(database.engine.url)}"]
        yield Snapshot(
            "postgresql",
            queries.revision(session),
            lambda: _output_of(command, database.engine.url),
            lambda: queries.named_objects(session),
        )


@contextlib.contextmanager
def _sqlite_snapshot(database: Database) -> Iterator[Snapshot]:
    with tempfile.TemporaryDirectory(prefix="e2e3d-backup-") as folder:
        copy = Path(folder, "copy.sqlite")
        _copy_sqlite(Path(str(database.engine.url.database)), copy)
        frozen = Database(f"sqlite:///{copy}", pool_size=1)
        try:
            with frozen.reading() as session:
                yield Snapshot(
                    "sqlite",
                    queries.revision(session),
                    lambda: _blocks(copy),
                    lambda: queries.named_objects(session),
                )
        finally:
            frozen.close()


def _copy_sqlite(source: Path, target: Path) -> None:
    try:
        with (
            contextlib.closing(sqlite3.connect(source, timeout=15)) as reading,
            contextlib.closing(sqlite3.connect(target)) as writing,
        ):
            reading.backup(writing)
            writing.execute("PRAGMA journal_mode = DELETE")  # one file, complete in itself
    except sqlite3.OperationalError as error:
        raise MachineError(
            "dump-failed",
            f"The database {source} cannot be copied to {target}: {error}.",
            "Free some space, or set TMPDIR to a folder on a larger disk.",
        ) from error


def require_empty(database: Database) -> None:
    """Refuse to restore over something.

    Raises:
        InputError: ``database-not-empty``.
        MachineError: ``database-away``.
    """
    with database.connection() as connection:
        tables = inspect(connection).get_table_names()
    if tables:
        raise InputError(
            "database-not-empty",
            f"The database {database.place} has {len(tables)} tables already.",
            "Restore into a new, empty database: point E2E3D_DATABASE_URL at one.",
        )


def load(database: Database, kind: str, dump: Iterable[bytes]) -> None:
    """Fill an empty database from a dump, all or nothing.

    Raises:
        InputError: ``backup-other-database`` when the dump is of the other kind.
        MachineError: ``program-missing`` or ``load-failed``.
    """
    ours = "sqlite" if database.is_sqlite else "postgresql"
    if kind != ours:
        raise _other_kind(kind, ours)
    if database.is_sqlite:
        _load_sqlite(Path(str(database.engine.url.database)), dump)
    else:
        _load_postgresql(database.engine.url, dump)
    database.close()  # connections that were opened before know nothing of it


@contextlib.contextmanager
def scratch_database(database: Database, kind: str) -> Iterator[Database]:
    """An empty database of a kind that is gone afterwards: a file, or one on the same PostgreSQL server.

    Raises:
        InputError: ``backup-other-database`` for PostgreSQL when `database` is none.
        MachineError: ``scratch-refused`` when the role may not create databases.
    """
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix="e2e3d-verify-") as folder:
            made = Database(f"sqlite:///{folder}/scratch.sqlite", pool_size=2)
            try:
                yield made
            finally:
                made.close()
        return
    if database.is_sqlite:
        raise _other_kind(kind, "sqlite")
    name = f"e2e3d_verify_{secrets.token_hex(6)}"
    _administer(database, "createdb", name)
    try:
        made = Database(_renamed(database.engine.url, name), pool_size=2)
        try:
            yield made
        finally:
            made.close()
    finally:
        _administer(database, "dropdb", "--force", name)


def _administer(database: Database, program: str, *arguments: str) -> None:
    url = database.engine.url
    command = [postgresql_program(program), f"--maintenance-db={_conninfo(url)}", *arguments]
    done = subprocess.run(command, env=_environment(url), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MachineError(
            "scratch-refused",
            f"A database to try the backup out in is refused by {database.place}: {done.stderr.strip()}",
            "Let the role create databases (ALTER ROLE … CREATEDB), or verify with a server of its own.",
        )


def _renamed(url: URL, name: str) -> str:
    return url.set(database=name).render_as_string(hide_password=False)


def _other_kind(theirs: str, ours: str) -> InputError:
    return InputError(
        "backup-other-database",
        f"The backup is of {theirs}, and E2E3D_DATABASE_URL names {ours}.",
        f"Set E2E3D_DATABASE_URL to a {theirs} database.",
    )


def _load_sqlite(path: Path, dump: Iterable[bytes]) -> None:
    partial = path.with_name(f".{path.name}.restoring")
    with machine_errors(path):
        try:
            with partial.open("wb") as file:
                file.writelines(dump)
                file.flush()
                os.fsync(file.fileno())
            for suffix in ("-wal", "-shm"):  # of the empty database that was looked at
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def _load_postgresql(url: URL, dump: Iterable[bytes]) -> None:
    command = [postgresql_program("pg_restore"), "--exit-on-error", "--single-transaction", "--no-owner"]
    command += ["--no-privileges", f"--dbname={_conninfo(url)}"]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors, env=_environment(url))
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.writelines(dump)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        if process.wait() != 0:
            raise MachineError(
                "load-failed",
                f"pg_restore ended with {process.returncode}: {_last_line(errors)}",
                "Nothing was changed in the database. Read what pg_restore says, and restore again.",
            )


def _output_of(command: list[str], url: URL) -> Iterator[bytes]:
    """What a program writes; raises after the last block when it failed, so that nothing of it is kept."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=_environment(url))
        assert process.stdout is not None
        try:
            while block := process.stdout.read(BLOCK_BYTES):
                yield block
            if process.wait() != 0:
                raise MachineError(
                    "dump-failed",
                    f"pg_dump ended with {process.returncode}: {_last_line(errors)}",
                    "pg_dump must be as new as the server; read what it says.",
                )
        finally:
            process.kill()
            process.wait()


def _last_line(errors: object) -> str:
    errors.seek(0)  # type: ignore[attr-defined]
    lines = errors.read().decode(errors="replace").strip().splitlines()  # type: ignore[attr-defined]
    return lines[-1] if lines else "it says nothing"


def _conninfo(url: URL) -> str:
    """How PostgreSQL's programs are told the database; the password goes by the environment, unseen by others."""
    shown = url.set(drivername="postgresql", password=None)
    return shown.render_as_string()


def _environment(url: URL) -> dict[str, str]:
    return os.environ | ({} if url.password is None else {"PGPASSWORD": str(url.password)})


def postgresql_program(name: str) -> str:
    """Where a program of PostgreSQL is, the newest one that is installed.

    Raises:
        MachineError: ``program-missing``.
    """
    installed = sorted(_POSTGRESQL.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]), reverse=True)
    found = str(installed[0]) if installed else shutil.which(name)
    if found is None:
        raise MachineError("program-missing", f"{name} is not installed.", "Install PostgreSQL's client programs.")
    return found


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block
