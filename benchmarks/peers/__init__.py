"""The other libraries, each used as its own documentation uses it, each in an environment of its own.

A server is started with one argument: a JSON object of port, threads, issuer, audience, cooldown, jwks_uri, introspection_endpoint, the
user and password for it, and public_key (PEM). It serves the same JSON at ``/open`` to everybody, at ``/local`` to a signed
token, at ``/remote`` to one that the issuer calls active.
"""
