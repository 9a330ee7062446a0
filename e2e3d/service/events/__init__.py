"""Events of jobs: kept as rows, streamed to whoever listens."""
