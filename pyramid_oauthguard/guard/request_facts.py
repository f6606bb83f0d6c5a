"""What a proof of possession needs to know of a request."""

from __future__ import annotations

from typing import Final

from pyramid.request import Request

from ..interfaces import ProofFacts

__all__ = ["read_facts"]

#: Servers that end TLS set it (mod_ssl, mod_wsgi, uWSGI). No header of a request can: its name would begin with HTTP_.
_CERTIFICATE: Final = "SSL_CLIENT_CERT"


def read_facts(request: Request) -> ProofFacts:
    """The facts as the WSGI server reports them. A certificate that a proxy passes on in a header is not read."""
    environ = request.environ
    return ProofFacts(
        method=environ["REQUEST_METHOD"], url=request.path_url, certificate=environ.get(_CERTIFICATE) or None
    )
