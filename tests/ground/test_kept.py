"""A value of an issuer that is asked for by the thread that is asking for it already."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from pyramid_oauthguard.caching import build_region
from pyramid_oauthguard.errors import UnavailableError
from pyramid_oauthguard.issuers.kept import Fetched, Kept

MEMORY = {"backend": "dogpile.cache.memory"}


def build_kept(ask: Callable[[Kept[int]], int]) -> Kept[int]:
    def fetch() -> Fetched[int]:
        return Fetched(ask(kept), {})

    region = build_region("jwks", MEMORY, expiration_time=60, secret="")
    how: dict[str, Any] = {"entry": "keys", "lifetime": 60.0, "cooldown": 30.0, "max_stale": 60.0}
    kept: Kept[int] = Kept("keys", region, ask=fetch, read=lambda _entry: None, is_embedded=lambda: True, **how)
    return kept


def run(ask: Callable[[], int]) -> list[Any]:
    """What a thread of its own gets: one that waits for itself gets nothing."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(ask()), daemon=True)
    thread.start()
    thread.join(10)
    return found


def test_an_issuer_that_changes_while_it_is_asked_is_asked_once_more() -> None:
    answers = [1, 2, 3]

    def ask(kept: Kept[int]) -> int:
        if len(answers) == 3:
            kept.forget()  # as the event of the change does
        return answers.pop(0)

    kept = build_kept(ask)
    assert run(lambda: kept.require(time.time())) == [2]
    assert run(lambda: kept.require(time.time())) == [2]
    kept.forget()
    assert run(lambda: kept.require(time.time())) == [3]


def test_a_subscriber_of_the_issuer_that_needs_the_value_waits_for_nothing() -> None:
    """It waited for the lock that its own thread held."""
    refused: list[UnavailableError] = []

    def ask(kept: Kept[int]) -> int:
        with pytest.raises(UnavailableError) as caught:
            kept.require(time.time())
        refused.append(caught.value)
        return 1

    kept = build_kept(ask)
    assert run(lambda: kept.require(time.time())) == [1]
    assert [error.reason for error in refused] == ["no_keys"]
