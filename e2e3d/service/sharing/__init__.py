"""Models that others turn in their browser: by an address that can expire, have a password and be withdrawn."""
