"""What all routes share: problems, pages, ranges, limits of bodies."""
