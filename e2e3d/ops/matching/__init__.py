"""Features of photographs, which photographs to match, and their verified matches."""
