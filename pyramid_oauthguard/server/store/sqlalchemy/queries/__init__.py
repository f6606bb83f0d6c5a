"""The statements of the SQLAlchemy store, a module for each table."""
