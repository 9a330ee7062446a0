"""Structure from motion: cameras, poses and sparse points."""
