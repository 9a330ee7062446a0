"""Where a batch puts its results, what it says at its end, and its exit code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from e2e3d.batch.outcomes import FAILED, Outcome
from e2e3d.batch.run_batch import BatchOptions
from e2e3d.config.deployment import Settings
from e2e3d.errors import MachineError, ReconstructionError, SettingsError
from e2e3d.runtime.threads import core_count

_CORES_A_SET = 4


def options_of(sets: Path, out: str | None, at_once: int | None, again: bool, settings: Settings) -> BatchOptions:
    """Fill in what was not said.

    Raises:
        SettingsError: ``no-results`` when neither the results nor a store have a place.
    """
    if out is None and settings.store is None:
        raise SettingsError(
            "no-results", "The results have no place.", "Give --out FOLDER or --store s3://bucket/prefix."
        )
    results = out or f"{str(settings.store).rstrip('/')}/batches/{sets.stem}"
    if "://" not in results:
        results = str(Path(results).expanduser().absolute())
    if settings.store is None and "://" in results:
        store = f"{results.rstrip('/')}/store"
    else:
        store = settings.store or str(Path(results) / ".e2e3d" / "store")
    return BatchOptions(results, store, at_once or max(1, core_count() // _CORES_A_SET), again)


def summary(outcomes: Sequence[Outcome]) -> str:
    """The last lines of the command: how many of each, and every failure with its reason."""
    failed = [outcome for outcome in outcomes if outcome.state == FAILED]
    doubtful = sum(outcome.judgement == "doubtful" for outcome in outcomes)
    good = len(outcomes) - len(failed) - doubtful
    lines = [f"{len(outcomes)} sets: {good} good, {doubtful} doubtful, {len(failed)} failed."]
    lines += [f"  {outcome.line()}" for outcome in failed]
    return "\n".join(lines) + "\n"


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 when every set has a model; 5 when the machine failed one; else 4."""
    failed = [outcome for outcome in outcomes if outcome.state == FAILED]
    if not failed:
        return 0
    return ReconstructionError.exit_code if all(outcome.final for outcome in failed) else MachineError.exit_code
