"""From depth maps to one cloud of points, and where space is empty."""
