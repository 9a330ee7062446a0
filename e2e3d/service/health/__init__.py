"""Whether the service lives and is ready."""
