"""A finished run from inside: photographs, matches, views, every pass; single units run again; costs, plots."""
