"""Airflow's connection, operators, sensor and triggers for a service of E2E3D."""
