"""Finds rows whose bytes the store has lost."""
