"""The service as its administrators see it: figures of all users, and the jobs of all."""
