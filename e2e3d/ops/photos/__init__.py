"""Photographs and videos: decoded, checked, described by their tags, undistorted."""
