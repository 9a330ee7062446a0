"""Photographs by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from e2e3d.errors import InputError


def unknown_photograph(name: object, names: Iterable[str], where: str) -> InputError:
    """The error of asking for a photograph that is not there, with the nearest name of those that are."""
    known = list(names)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.0)
    hint = f"Did you mean {near[0]}? There are {len(known)}." if near else "There is none."
    return InputError("unknown-photograph", f"{where} has no photograph {name}.", hint)
