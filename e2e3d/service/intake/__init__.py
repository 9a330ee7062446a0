"""Photographs come in: named safely, checked on arrival, stored once."""
