"""What all wire models share. They need pydantic and nothing else: the routes and the client use the same ones.

Each is built when it is first used, so that a command of the client pays only for those that it needs.
"""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

Item = TypeVar("Item")

_MOST_MEMBERS = 100


class RequestModel(BaseModel):
    """Base of what requests carry: members that it does not know are refused."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few_members(cls, value: Any) -> Any:
        """Each unknown member is an error of its own: tens of thousands would take seconds, and an answer of MBs."""
        if isinstance(value, dict) and len(value) > _MOST_MEMBERS:
            raise ValueError(f"has {len(value)} members; at most {_MOST_MEMBERS}")
        return value


class ResponseModel(BaseModel):
    """Base of what requests are answered with, frozen. A client ignores members that a newer service adds."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    @classmethod
    def from_record(cls, record: object, **derived: Any) -> Self:
        """The public form of a record.

        Args:
            record: has the members, by name; of records within it likewise.
            derived: members that the record does not have in this form.
        """
        named = {name: getattr(record, name) for name in cls.model_fields if name not in derived}
        return cls.model_validate(named | derived, from_attributes=True)


class Page(ResponseModel, Generic[Item]):
    """A page of a list; `next_cursor` is null on the last page."""

    items: tuple[Item, ...]
    next_cursor: str | None = Field(default=None, description="Ask with `cursor` of this value for the next page.")


def values(*known: str) -> WithJsonSchema:
    """The values that a text of a response has today. A client takes others as well: a newer service may have more."""
    return WithJsonSchema({"enum": list(known), "type": "string"})
