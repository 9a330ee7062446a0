"""The pipeline and its surroundings: presets, progress, export, report."""
