"""All SQL of the service: one module an area, functions of a session, frozen records as answers."""
