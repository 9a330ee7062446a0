"""Photographs as they come: folders, archives, videos, masks."""
