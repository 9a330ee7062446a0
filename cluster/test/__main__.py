"""``python -m cluster.test up | status | down``: the stack of Compose without containers."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from cluster.test.stack import Stack, down, read_state, up
from e2e3d.errors import E2E3DError

FOLDER = Path("/var/tmp/e2e3d-stack")


def main() -> int:
    """Run the command, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cluster.test", description=__doc__)
    parser.add_argument("what", choices=("up", "status", "down", "supervise"))
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, help="of volumes, secrets and logs")
    parser.add_argument("variables", nargs="*", help="of the Compose file, such as REPLICAS=1")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds that it may take to come up")
    parser.add_argument("--services", default="", help="only these and what they depend on, separated by commas")
    given = parser.parse_args()
    wanted = tuple(filter(None, given.services.split(",")))
    variables = dict(pair.split("=", 1) for pair in given.variables)
    try:
        return _act(given.what, given.folder.resolve(), given.timeout, variables, wanted)
    except E2E3DError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _act(what: str, folder: Path, timeout_s: float, variables: dict[str, str], wanted: tuple[str, ...]) -> int:
    if what == "supervise":
        Stack(folder, variables, wanted).run()
    elif what == "up":
        began_s = time.monotonic()
        state = up(folder, timeout_s, variables, wanted)
        _say(f"{len(state['containers'])} containers are up after {time.monotonic() - began_s:.0f} s: {state['url']}")
        _say(f"Certificate: {folder}/secrets/tls.crt. The administrator's password: {folder}/secrets/admin_password.")
        _say(f"Left out: {', '.join(state['left_out'])}. End it with: python -m cluster.test down {folder}")
    elif what == "down":
        _say("It is down." if down(folder) else f"No stack runs in {folder}.")
    else:
        return _show(folder)
    return 0


def _show(folder: Path) -> int:
    state = read_state(folder)
    if state is None:
        _say(f"No stack runs in {folder}.")
        return 1
    for name, each in state["containers"].items():
        how = {None: "starts", True: "well", False: "unwell"}[each["healthy"]]
        _say(f"{name:20} {each['address']:14} {how:8} {each['restarts']} restarts")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
