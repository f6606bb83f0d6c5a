"""The pytest plug-in, found through the entry point ``pytest11``."""

from __future__ import annotations

import pytest

from .issuer import MemoryIssuer

__all__ = ["oauth_issuer"]


@pytest.fixture
def oauth_issuer() -> MemoryIssuer:
    """A new issuer in memory; see :func:`pyramid_oauthguard.testing.trust` for making an application accept it."""
    return MemoryIssuer()
