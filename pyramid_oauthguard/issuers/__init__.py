"""One issuer over HTTP: its metadata, its keys and its introspection endpoint."""
