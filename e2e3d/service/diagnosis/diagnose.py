"""Runs all examinations, whatever the ones before have found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from e2e3d.config.deployment import ServiceSettings
from e2e3d.errors import E2E3DError
from e2e3d.service.database import Database
from e2e3d.service.diagnosis.examinations import examinations


@dataclass
class Finding:
    """What an examination found: `code` is None where all is well, and `hint` says what to do otherwise."""

    part: str
    code: str | None
    message: str
    hint: str = ""

    def line(self) -> str:
        """For people."""
        if self.code is None:
            return f"ok    {self.part:<12}{self.message}"
        return f"FAIL  {self.part:<12}[{self.code}] {self.message}\n      {'':<12}{self.hint}"


def diagnose(settings: ServiceSettings, database: Database) -> Iterator[Finding]:
    """The findings, one after another."""
    for part, examine in examinations(settings, database).items():
        try:
            yield Finding(part, None, examine())
        except E2E3DError as error:
            yield Finding(part, error.code, error.message, error.hint)
