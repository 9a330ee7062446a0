"""Jobs: submitted, queued in fair turns, leased to a driver, ended."""
