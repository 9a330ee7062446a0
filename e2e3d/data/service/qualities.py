"""The names of the quality presets, for whoever must not import what the presets are made of."""

QUALITIES = ("preview", "low", "medium", "high", "ultra")
