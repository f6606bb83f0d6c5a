"""Two issuers for the tests of the guard's commands. Other tests have issuers of their own, under the same names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.commanded import ISSUERS
from tests.issuers import HTTPIssuer


@pytest.fixture
def server() -> Iterator[HTTPIssuer]:
    with HTTPIssuer() as server:
        yield server


@pytest.fixture
def issuer() -> Iterator[MemoryIssuer]:
    """One in this process, whose settings name it."""
    issuer = ISSUERS["https://issuer.test"] = MemoryIssuer()
    yield issuer
    ISSUERS.clear()
