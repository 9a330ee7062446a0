"""A finished run as a data set of other programs: pictures, cameras and points in their layout."""
