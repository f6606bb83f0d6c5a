"""For the test suites of applications: tokens of any shape, and an issuer in memory.

::

    issuer = trust(app)  # instead of the issuer in its settings
    app.get("/customers", headers=issuer.bearer(scope="customer_api"))

Nothing here opens a socket. The suites that a verifier or store of your own must pass are in
:mod:`pyramid_oauthguard.testing.contracts`; the pytest fixture ``oauth_issuer`` is there once this
distribution is installed.
"""

from __future__ import annotations

from .application import trust
from .dummy import set_token
from .issuer import MemoryIssuer
from .keys import SigningKey, generate_key
from .tokens import ABSENT, bearer, mint, read_claims, tamper

__all__ = [
    "ABSENT",
    "MemoryIssuer",
    "SigningKey",
    "bearer",
    "generate_key",
    "mint",
    "read_claims",
    "set_token",
    "tamper",
    "trust",
]
