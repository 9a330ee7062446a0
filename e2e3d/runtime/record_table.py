"""Records of one kind, as notebooks show them: a table, and a DataFrame for who works with pandas."""

from __future__ import annotations

import dataclasses
import html
from typing import TYPE_CHECKING, Any, TypeVar

from e2e3d.runtime.notebook_extra import notebook_library

if TYPE_CHECKING:
    from pandas import DataFrame

_Record = TypeVar("_Record")
_SHOWN = 60


class RecordTable(tuple[_Record, ...]):
    """A tuple of records (dataclasses); a notebook shows it as a table, a row a record."""

    __slots__ = ()

    def to_pandas(self) -> DataFrame:
        """A column a field. Raises MachineError ``missing-package`` where pandas is not installed."""
        frame: DataFrame = notebook_library("pandas").DataFrame([_fields(record) for record in self])
        return frame

    def _repr_html_(self) -> str:
        rows = [_fields(record) for record in self[:_SHOWN]]
        head = "".join(f"<th>{html.escape(name)}</th>" for name in (rows[0] if rows else ()))
        body = "".join(f"<tr>{''.join(f'<td>{_text(value)}</td>' for value in row.values())}</tr>" for row in rows)
        more = f"<p>and {len(self) - _SHOWN} more</p>" if len(self) > _SHOWN else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _fields(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else html.escape(str(value))
