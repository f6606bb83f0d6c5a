"""What it takes to verify a JSON Web Token of another party (RFC 7519, RFC 7515): structure, keys that fit, kind."""
