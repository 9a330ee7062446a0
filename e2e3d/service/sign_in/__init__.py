"""Who calls, and what they may do; routes take `Reader`, `Writer` or `Admin` of `dependencies` as a parameter."""
