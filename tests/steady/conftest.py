"""A clock that tests move, and issuers on loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import time_machine

from tests.issuers import HTTPIssuer


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Wall time, which stands still until a test moves it with `clock.shift(seconds)`. Sockets and waits go on."""
    with time_machine.travel(time.time(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def server() -> Iterator[HTTPIssuer]:
    """An issuer on loopback with switches for its faults."""
    with HTTPIssuer() as issuer:
        yield issuer
