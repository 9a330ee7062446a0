import concurrent.futures
import warnings

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from e2e3d.service.database import Database, downgrade, upgrade
from e2e3d.service.database.table_base import Base
from tests.servers import PostgresServer


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
