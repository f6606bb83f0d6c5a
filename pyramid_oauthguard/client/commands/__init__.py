"""One file a verb; cli.py loads each by name."""
