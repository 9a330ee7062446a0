"""The HTTP API: a FastAPI application without Ray, and what deploys it on Ray Serve."""
