"""Copies everything that the database names to another place, and brings it back."""
