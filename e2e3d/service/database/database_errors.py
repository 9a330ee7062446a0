"""What a failure of the database means to whoever asked it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from e2e3d.errors import E2E3DError, InputError, MachineError

_BUSY_STATES = ("40001", "40P01", "55P03", "57014")  # serialization, deadlock, lock timeout, statement timeout

_UNUSABLE_STATES = ("22P05", "22021", "22003", "22001", "22008")  # NUL, encoding, too large, too long, no such date


@contextlib.contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn failures that are no mistakes of the caller's program into errors that a user can act on; others pass.

    Args:
        place: the database as a message may show it, without its password.

    Raises:
        MachineError: ``database-away``, ``database-busy``, ``database-full`` or ``database-read-only``.
        InputError: ``value-unusable``: text or a number that the database cannot keep.
    """
    try:
        yield
    except (UnicodeEncodeError, OverflowError) as error:
        raise _unusable() from error
    except ValueError as error:
        if "NUL" in str(error):  # what psycopg2 says of text with a NUL character
            raise _unusable() from error
        raise
    except PoolTimeoutError as error:
        raise _busy(place) from error
    except DBAPIError as error:
        meaning = _meaning(error, place)
        if meaning is None:
            raise
        raise meaning from error


def _meaning(error: DBAPIError, place: str) -> E2E3DError | None:
    text = str(error.orig).lower()
    state = getattr(error.orig, "pgcode", None)
    if state in _UNUSABLE_STATES:
        return _unusable()
    if state in _BUSY_STATES or "database is locked" in text or "database table is locked" in text:
        return _busy(place)
    if ((state or "").startswith("53") and state != "53300") or "disk is full" in text:
        return MachineError(
            "database-full", f"The database {place} has no space or memory left.", "Free some space on its machine."
        )
    if state == "25006" or "readonly database" in text:
        return MachineError(
            "database-read-only",
            f"The database {place} cannot be written.",
            "Check who owns its file, or that E2E3D_DATABASE_URL names the primary and no standby.",
        )
    if error.connection_invalidated or (isinstance(error, OperationalError | InterfaceError) and _is_away(state, text)):
        return MachineError(
            "database-away",
            f"The database {place} does not answer.",
            "Check E2E3D_DATABASE_URL and that the database runs; try again in a moment.",
        )
    return None


def _is_away(state: str | None, text: str) -> bool:
    if state is not None:
        return state.startswith(("08", "57P", "53300", "28", "3D"))
    return not any(word in text for word in ("no such table", "no such column", "syntax error"))


def _busy(place: str) -> MachineError:
    return MachineError("database-busy", f"The database {place} is busy.", "Try again in a moment.")


def _unusable() -> InputError:
    return InputError(
        "value-unusable", "A value cannot be kept in the database.", "Leave out NUL characters and very large numbers."
    )
