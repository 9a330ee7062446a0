import ast
import concurrent.futures
import warnings
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from e2e3d.service.database import Database, current_revision, downgrade, migrations, upgrade
from e2e3d.service.database.table_base import Base
from tests.servers import PostgresServer

_FIRST_ROLLING = 5
"""From so many migrations on, a service is upgraded while it runs."""


def _tables(database: Database) -> set[str]:
    with database.connection() as connection:
        return set(inspect(connection).get_table_names())


def test_models_and_migrations_agree(database: Database) -> None:
    with database.connection() as connection, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*expression-based index.*")
        compared = compare_metadata(MigrationContext.configure(connection), Base.metadata)
        claim = [index for index in inspect(connection).get_indexes("jobs") if index["name"] == "ix_jobs_claim"]
    # SQLite cannot tell that the index which jobs are claimed by is the same; only its being there is tested.
    names = {str(getattr(change[1], "name", "")) for change in compared}
    assert not compared or (database.is_sqlite and names == {"ix_jobs_claim"}), compared
    assert claim


def test_down_and_up_again(database: Database) -> None:
    before = _tables(database)
    assert before == set(Base.metadata.tables) | {"alembic_version"}
    downgrade(database)
    assert _tables(database) == {"alembic_version"}
    upgrade(database)
    assert _tables(database) == before


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    before = _tables(database)
    upgrade(database)
    assert _tables(database) == before


def test_tables_of_a_newer_version_stay_as_they_are(database: Database) -> None:
    """A process of the version before starts again in the middle of a rolling upgrade, or after a return to it."""
    with database.connection() as connection:
        connection.execute(text("ALTER TABLE jobs ADD COLUMN of_a_newer_version INTEGER"))
        connection.execute(text("UPDATE alembic_version SET version_num = 'newer'"))
    upgrade(database)
    assert current_revision(database) == "newer"
    with database.connection() as connection:
        assert "of_a_newer_version" in {column["name"] for column in inspect(connection).get_columns("jobs")}


def test_migrations_only_add() -> None:
    """While one is made, processes of the version before go on with its tables: what they name must stay."""
    folder = Path(migrations.__file__).parent / "versions"
    for file in sorted(folder.glob("v*.py"))[_FIRST_ROLLING:]:
        (change,) = [node for node in ast.parse(file.read_text("utf-8")).body if getattr(node, "name", "") == "upgrade"]
        calls = {
            node.func.attr: node
            for node in ast.walk(change)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        assert not calls.keys() & {"drop_table", "drop_column", "rename_table", "alter_column"}, file.name


@pytest.mark.slow
def test_processes_that_start_together_migrate_once(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    databases = [Database(url) for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, databases))
    assert _tables(databases[0]) == set(Base.metadata.tables) | {"alembic_version"}
    for database in databases:
        database.close()
    postgres.drop_database(url)
