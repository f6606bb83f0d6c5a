"""``oauthguard check --as-client URL``: what a client meets that knows nothing but the URL of an API, step by step."""
