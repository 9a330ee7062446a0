"""Records of the service: what the repository answers with."""
