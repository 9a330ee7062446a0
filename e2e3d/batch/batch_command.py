"""The command ``e2e3d batch``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from e2e3d.runtime.reporting import end_supervised


def batch(
    sets: Annotated[Path, typer.Argument(metavar="SETS.jsonl", help="One JSON object a line: name, photos, and more.")],
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="Folder or s3:// URL of the results (STORE/batches/NAME).")
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="Folder or s3:// URL of the artifacts (E2E3D_STORE; a folder in OUT).")
    ] = None,
    address: Annotated[str | None, typer.Option(help="Join a running Ray cluster (E2E3D_RAY_ADDRESS).")] = None,
    at_once: Annotated[
        int | None, typer.Option(min=1, max=256, help="Sets under way at once (a quarter of the cores).")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also try failed sets again whose photographs were refused.")
    ] = False,
) -> None:
    """Reconstruct many image sets; the same command again computes only what is missing.

    Exit code 0 when every set has a model, 4 when some cannot have one, 5 when the machine failed some: run it again.
    """

    def work() -> int:
        from e2e3d.batch.batch_summary import exit_code, options_of, summary
        from e2e3d.batch.outcomes import Outcome
        from e2e3d.batch.requests import read_image_sets
        from e2e3d.batch.run_batch import run_batch
        from e2e3d.config.deployment import load_settings
        from e2e3d.pipeline.cancellation import CancelToken, cancel_on_signals

        image_sets = read_image_sets(sets)
        settings = load_settings(store=store, ray_address=address)

        def show(outcome: Outcome, earlier: bool) -> None:
            sys.stdout.write(f"{outcome.line()}{' (computed before)' if earlier else ''}\n")
            sys.stdout.flush()

        options = options_of(sets, out, at_once, again, settings)
        with cancel_on_signals(CancelToken()):
            outcomes = run_batch(image_sets, options, settings, show)
        sys.stdout.write(summary(outcomes))
        return exit_code(outcomes)

    end_supervised(work, patience_s=10.0)
