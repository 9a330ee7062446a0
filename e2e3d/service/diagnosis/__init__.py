"""Looks a deployment over, part by part, and says what is wrong and what to do."""
