"""What is counted is bounded in what it takes, not only in how many."""

from __future__ import annotations

import pytest

from pyramid_oauthguard.server.http.tries import _as_place

pytestmark = pytest.mark.slow


def test_a_long_name_takes_no_more_room_than_a_short_one():
    """The in-process counts keep 20,000 keys as they are: at 64 KiB each they would be a gigabyte."""
    address = "192.0.2.1"
    keys = {_as_place("sign_in", (text * 30_000, address)) for text in ("a", "b", "ä", "\ud800", "日")}
    assert len(keys) == 5
    assert max(map(len, keys)) < 300
    assert _as_place("sign_in", ("a" * 255, address)) != _as_place("sign_in", ("a" * 256, address))
