"""Frozen records that travel between stages. Nothing here reads files, computes, or knows Ray."""
