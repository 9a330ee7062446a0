"""From oriented points to a clean triangle mesh."""
