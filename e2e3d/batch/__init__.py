"""Many image sets as one batch: ``python -m e2e3d.batch SETS.jsonl``, on one machine or as a job of a Ray cluster."""

from e2e3d.batch.submission import follow, submit

__all__ = ["follow", "submit"]
