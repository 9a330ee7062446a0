"""Run the notebooks from top to bottom, and write them as pages with small pictures, and as they were run.

usage: scripts/notebook_pages.py WORK PAGES [NOTEBOOK ...]

WORK is where they run: sample set and run are made in WORK/sample where they are missing. A page a notebook is
written into PAGES, with the notebook that it shows; without names, of all notebooks. The site takes them from
build/notebooks (make notebooks). The first error ends it, and shows its traceback.
"""

from __future__ import annotations

import base64
import io
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from PIL import Image

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
CELL_S = 900  # on a busy machine
WIDTH_PX = 900
INTERACTIVE = "application/vnd.plotly.v1+json"


def main() -> None:
    """Run the notebooks, and write a page of each."""
    work, pages, *names = sys.argv[1:]
    os.environ["OPEN3D_DISABLE_WEB_VISUALIZER"] = "true"  # Open3D would announce it in the first cell that imports it
    for name in names or sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")):
        started_s = time.monotonic()
        notebook = execute(NOTEBOOKS / f"{name}.ipynb", Path(work))
        write_page(notebook, Path(pages) / f"{name}.html")
        print(f"{name}: {time.monotonic() - started_s:.0f} s", flush=True)


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook with its outputs, run in `folder`. Raises CellExecutionError."""
    folder.mkdir(parents=True, exist_ok=True)
    for module in NOTEBOOKS.glob("*.py"):
        shutil.copy(module, folder)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=CELL_S, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def write_page(notebook: nbformat.NotebookNode, page: Path) -> None:
    """The notebook as HTML that needs no network; views in three dimensions are left to those who run it."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if "data" in output:
                shrink(output["data"])
    text, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")
    nbformat.write(notebook, page.with_suffix(".ipynb"))


def shrink(data: dict[str, Any]) -> None:
    """Make an output's pictures small, and leave interactive views out, in place."""
    if INTERACTIVE in data:
        data.clear()
        data["text/markdown"] = "*An interactive view: run the notebook to turn it.*"
    if "image/png" in data:
        picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
        picture.thumbnail((WIDTH_PX, WIDTH_PX))
        small = io.BytesIO()
        picture.save(small, "JPEG", quality=85)
        del data["image/png"]
        data["image/jpeg"] = base64.b64encode(small.getvalue()).decode()


if __name__ == "__main__":
    main()
