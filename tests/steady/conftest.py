"""A clock that tests move, and issuers on loopback."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator

import pytest
import time_machine

from tests.issuers import HTTPIssuer
from tests.steady.apps import ALGORITHM


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Wall time, which stands still until a test moves it with `clock.shift(seconds)`. Sockets and waits go on."""
    with time_machine.travel(time.time(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def server() -> Iterator[HTTPIssuer]:
    """An issuer on loopback with switches for its faults."""
    with HTTPIssuer(algorithm=ALGORITHM) as issuer:
        yield issuer


def basic(client_id: str, secret: str) -> dict[str, str]:
    """The header of client_secret_basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}
