"""Faults of the things that a server depends on, brought about for real: PostgreSQL, Redis, gunicorn, and who calls it."""
