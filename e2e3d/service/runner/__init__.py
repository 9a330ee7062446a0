"""Computes jobs: the runner, one driver process a job, its journal and its publisher, maintenance."""
