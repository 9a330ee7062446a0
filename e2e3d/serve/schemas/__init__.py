"""Documents of the API."""
