"""Image sets, their photographs, and the bytes of these."""
