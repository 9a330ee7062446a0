"""A made-up scene with exact cameras and surface."""
