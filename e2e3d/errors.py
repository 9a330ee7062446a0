"""Errors that a user can act on: a stable code, what was wrong, and what to do about it.

Every error carries an exit code for the command line; the table is part of the public interface and is documented in
docs/using.md. Errors cross process boundaries, so each one survives pickling unchanged.
"""

from __future__ import annotations

from collections.abc import Callable


class E2E3DError(Exception):
    """Base of all expected failures.

    Args:
        code: stable machine-readable identifier in kebab case, such as ``no-photographs``.
        message: what is wrong, in one sentence, naming the file or value.
        hint: what the user can do about it.
    """

    exit_code = 1

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(code, message, hint)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> tuple[Callable[..., E2E3DError], tuple[str, ...]]:
        return type(self), (self.code, self.message, self.hint)


class SettingsError(E2E3DError):
    """A setting, option or preset that does not exist or has an impossible value."""

    exit_code = 2


class InputError(E2E3DError):
    """The photographs, masks or intrinsics handed in cannot be used."""

    exit_code = 3


class ReconstructionError(E2E3DError):
    """The photographs are readable but no model can be computed from them."""

    exit_code = 4


class MachineError(E2E3DError):
    """The machine lacks something: a GPU, disk space, a permission, a reachable cluster or store."""

    exit_code = 5


class UnitDiedError(MachineError):
    """The process of one unit of work died at every try: its input may be poison, or the machine too small for it.

    Args:
        code: see :class:`E2E3DError`; so are `message` and `hint`.
        name: what people call the unit in its pass, such as its photograph.
    """

    def __init__(self, code: str, message: str, hint: str = "", name: str = "") -> None:
        super().__init__(code, message, hint)
        self.name = name

    def __reduce__(self) -> tuple[Callable[..., E2E3DError], tuple[str, ...]]:
        return type(self), (self.code, self.message, self.hint, self.name)


class CancelledError(E2E3DError):
    """The user or an operator stopped the run; what was finished is kept and the run can be resumed."""

    exit_code = 130

    def __init__(
        self,
        code: str = "cancelled",
        message: str = "The run was cancelled.",
        hint: str = "Run the same command again to resume it.",
    ) -> None:
        super().__init__(code, message, hint)
