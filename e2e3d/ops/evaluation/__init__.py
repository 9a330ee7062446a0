"""How good a result is against a reference: cameras, virtual photographs, surface."""
