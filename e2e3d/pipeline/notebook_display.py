"""Progress in notebooks: one line of HTML with a bar, which is updated in place."""

from __future__ import annotations

import html
import sys
import time
from typing import Any

from e2e3d.pipeline.progress import ProgressReport
from e2e3d.pipeline.progress_display import duration, eta_text

_PAUSE_S = 0.2


def open_notebook_display() -> NotebookDisplay | None:
    """A bar below the running cell; None outside of notebooks."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return None if getattr(shell, "kernel", None) is None else NotebookDisplay()


class NotebookDisplay:
    """Shows reports below the running cell; a few a second at most."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html = HTML
        self._handle: Any = display(HTML(bar_html(None)), display_id=True)
        self._last: ProgressReport | None = None
        self._shown_s = 0.0

    def __call__(self, report: ProgressReport) -> None:
        """See :class:`~e2e3d.pipeline.progress_display.Display`."""
        self._last = report
        if report.kind != "unit" or time.monotonic() - self._shown_s > _PAUSE_S:
            self._show()

    def close(self) -> None:
        """Show the last report."""
        self._show()

    def _show(self) -> None:
        self._handle.update(self._html(bar_html(self._last)))
        self._shown_s = time.monotonic()


def bar_html(report: ProgressReport | None) -> str:
    """A bar, the running pass, its units and the time, as HTML."""
    if report is None:
        return "<progress></progress> starting"
    share = "" if report.fraction is None else f' value="{report.fraction:.3f}" max="1"'
    parts = [report.stage, f"{report.done}/{report.total}", duration(report.elapsed_s), eta_text(report)]
    return f"<progress{share}></progress> {html.escape(' · '.join(part for part in parts if part))}"
