"""Users, their quotas, and their own accounts."""
