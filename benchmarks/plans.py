"""How a database would answer the queries of a piece of work, as it says itself."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import event

from e2e3d.service.database import Database, Session


def query_plans(database: Database, work: Callable[[Session], object]) -> list[tuple[str, list[str]]]:
    """Every query of `work` with the lines of its plan; what `work` changes is rolled back."""
    seen: list[tuple[str, object]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: object, _context: object, _many: bool) -> None:
        if statement.startswith("SELECT") and "FROM" in statement:
            seen.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    with database.session() as session:
        work(session)
        session.rollback()
    event.remove(database.engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    with database.connection() as connection:
        return [
            (statement, [str(row[-1]) for row in connection.exec_driver_sql(explain + statement, parameters)])
            for statement, parameters in seen
        ]
