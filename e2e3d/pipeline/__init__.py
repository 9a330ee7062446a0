"""The pipeline, what executes it, how far it is, and how a run is put together."""
