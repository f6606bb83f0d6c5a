"""A token that is sent with another scheme than Bearer is not read, and the log says so, without the token."""

from __future__ import annotations

import logging

import pytest

from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.guarding import add, ask, build_app

SECRET = "eyJhbGciOiJSUzI1NiJ9.c3dvcmRmaXNo.c2VjcmV0"


@pytest.fixture
def app():
    return build_app(lambda config: add(config, "/", token_check="local"), MemoryIssuer(algorithm="ES256"))


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.DEBUG, logger="pyramid_oauthguard")
    return lambda: [each for each in caplog.records if "no access token was read" in each.getMessage()]


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (f"Token {SECRET}", "the scheme token"),
        (f"JWT {SECRET}", "the scheme jwt"),
        (f"DPoP {SECRET}", "the scheme dpop"),
        (f"dpop {SECRET}", "the scheme dpop"),
        (SECRET, "no scheme"),
        (f"{SECRET} x", "a scheme that is not known"),
        (f"Bearer:{SECRET}", "no scheme"),
        (f"Bearertoken {SECRET}", "a scheme that is not known"),
        ('Digest username="swordfish"', "the scheme digest"),
        ("Basic c3dvcmRmaXNoOnN3b3JkZmlzaA==", "the scheme basic"),
    ],
)
def test_an_unread_scheme_is_logged_without_the_token(app, log, caplog, header, found):
    assert ask(app, "/", authorization=header).status_int == 401
    (record,) = log()
    assert (
        record.getMessage()
        == f"no access token was read: the Authorization header has {found}, and only Bearer is read"
    )
    meant = not header.startswith(("Basic", "Digest"))
    assert record.levelno == (logging.WARNING if meant else logging.INFO)
    for part in (SECRET, *SECRET.split("."), "swordfish", "c3dvcmRmaXNo"):
        assert part not in caplog.text


def test_many_requests_with_an_unread_scheme_are_one_line(app, log):
    for number in range(100):
        assert ask(app, "/", authorization=f"Token {number}").status_int == 401
    assert len(log()) == 1


@pytest.mark.parametrize("header", [None, "Bearer abc", "bearer abc", "Bearer", "a, Bearer b"])
def test_nothing_is_logged_where_bearer_is_read_or_nothing_is_sent(app, log, header):
    ask(app, "/", **({} if header is None else {"authorization": header}))
    assert log() == []
