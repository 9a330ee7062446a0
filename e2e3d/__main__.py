"""``python -m e2e3d`` is ``e2e3d``, also where the environment's programs are not on the path."""

from e2e3d.cli import app

app(prog_name="e2e3d")
