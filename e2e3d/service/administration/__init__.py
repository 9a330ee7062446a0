"""What administrators look at and adjust: the audit log, the level of the log."""
