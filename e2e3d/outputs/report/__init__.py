"""The report: one self-contained HTML page that a photographer understands."""

from e2e3d.outputs.report.page import render_report

__all__ = ["render_report"]
