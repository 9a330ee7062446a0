"""How commands end: expected errors become one clear block and their exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from e2e3d.errors import CancelledError, E2E3DError
from e2e3d.runtime.missing_parts import missing_part

EXIT_CODES = (
    "Exit codes: 0 done: a model was made, be it judged good or doubtful (the judgement and its reasons are printed, "
    "and stand in manifest.json); 1 a bug in E2E3D; 2 a wrong setting or option; 3 the photographs, masks or "
    "intrinsics cannot be used; 4 no model can be computed from them; 5 the machine lacks something (disk, permission, "
    "GPU, cluster, store, service); 6 the service refused; 7 not signed in, or not allowed; 8 there is no such thing; "
    "130 stopped by Ctrl-C: the same command resumes."
)
_MISTAKE = "This is a mistake in E2E3D. Please report it, with the lines above, where you got E2E3D from."


def reporting(work: Callable[[], int]) -> int:
    """Run a command; expected errors become one clear block and their exit code, bugs a traceback and code 1."""
    try:
        return work()
    except KeyboardInterrupt:
        error: E2E3DError = CancelledError()
    except E2E3DError as expected:
        error = expected
    except ModuleNotFoundError as absent:
        missing = missing_part(absent)
        if missing is None:
            return _mistake()
        error = missing
    except Exception:  # noqa: BLE001 - the last line of defence: whatever it is, say where to report it
        return _mistake()
    sys.stderr.write(f"Error [{error.code}]: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"  {error.hint}\n")
    return error.exit_code


def _mistake() -> int:
    traceback.print_exc()
    sys.stderr.write(f"\n{_MISTAKE}\n")
    return 1


def end_supervised(work: Callable[[], int], patience_s: float = 3.5) -> NoReturn:
    """Do the work of a command in a process that others watch over, and end with its exit code."""

    def watched() -> int:
        from e2e3d.runtime.supervision import supervised

        return supervised(lambda: reporting(work), patience_s)

    sys.exit(reporting(watched))
