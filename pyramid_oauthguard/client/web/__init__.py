"""What a client does that knows only the URL of an API: it finds the authorization server, and registers there."""
