"""``python -m e2e3d.batch``: the command that ``ray job submit`` runs on a cluster."""

from __future__ import annotations

import typer

from e2e3d.batch.batch_command import batch

if __name__ == "__main__":
    typer.run(batch)
