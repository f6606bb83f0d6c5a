"""Which certificates of servers are accepted."""

from __future__ import annotations

import ssl

__all__ = ["build_context"]


def build_context(ca_file: str | None) -> ssl.SSLContext:
    """A TLS context that trusts the authorities in ``ca_file``; None takes the system's.

    From Python 3.13 on, the default context refuses chains that are not written exactly as RFC 5280 says, such as those of Amazon
    EKS and of many private authorities. No setting but this could help there, so the authorities that an operator names are
    verified as on other Pythons: signatures, names and times.

    :raises OSError: the file can't be read, or has no certificates.
    """
    context = ssl.create_default_context(cafile=ca_file)
    if ca_file is not None:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
