"""Settings: of every stage, of a run, of a deployment. Light: no array library, no Numba, no Ray."""
