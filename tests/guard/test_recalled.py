"""A remembered token is recalled by its header only where the credential would be read in the same way."""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.events import NewRequest
from webtest import TestApp

from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.guarding import add, build_app

HEADERS = [
    "Bearer {}", "bearer {}", "BEARER {}", "Bearer  {}", "Bearer\t{}", " Bearer {}", "Bearer {} ", "Bearer {}\t", "Bearer {},",
    "Bearer {0}, Bearer {0}", "Bearer {0} {0}", "Bearer {}=", "Bearer {}.", "Bearer .{}", "Bearer {}\xe9", "Bearer {}\0", "DPoP {}",
    "Token {}", "Bearer{}", "{}", "Bearer", "Bearer ", "", " ",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["local", "remote"])
@pytest.mark.parametrize("header", HEADERS)
def test_each_header_has_the_same_answer(mode: str, header: str) -> None:
    issuer = MemoryIssuer()
    raw = issuer.mint({"scope": "read"})
    recalling, reading = (build(issuer, mode, listens=listens) for listens in (False, True))
    assert recalling.app.registry.has_listeners is not reading.app.registry.has_listeners
    for app in (recalling, reading):
        assert [ask(app, f"Bearer {raw}")[0] for _ in range(3)] == [200] * 3  # remembered, with its value, recalled
    wanted = header.format(raw)
    assert [ask(recalling, wanted) for _ in range(3)] == [ask(reading, wanted) for _ in range(3)]


def build(issuer: MemoryIssuer, mode: str, *, listens: bool) -> TestApp:
    """An application that remembers; where it has listeners, which hear of each token, it recalls nothing."""

    def configure(config: Any) -> None:
        add(config, "/", token_check=mode, permission="read")
        if listens:
            config.add_subscriber(lambda _event: None, NewRequest)

    return build_app(configure, issuer, settings={"oauthguard.cache.introspection.expiration_time": "100"})


def ask(app: TestApp, header: str) -> tuple[int, str, str | None]:
    answer = app.get("/", extra_environ={"HTTP_AUTHORIZATION": header}, expect_errors=True)
    return answer.status_int, answer.text, answer.headers.get("WWW-Authenticate")
