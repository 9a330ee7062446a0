"""One file format a module: pure functions from records to a binary file object or to bytes."""
