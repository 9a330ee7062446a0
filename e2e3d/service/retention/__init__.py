"""Removes what nobody needs any more."""
