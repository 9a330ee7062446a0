"""Notes that stand at places of a model."""
