"""`oauthguard check` says which certificates end soon: of the issuer, and of PostgreSQL."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyramid.config import Configurator

from pyramid_oauthguard.guard.self_check import judge_guard
from pyramid_oauthguard.server.self_check.certificates import report_certificate
from tests.certificates import write_certificate
from tests.guard.guarding import add
from tests.issuers import HTTPIssuer


def check(issuer: HTTPIssuer, **settings: str) -> list[Any]:
    config = Configurator(settings={**issuer.settings, "oauthguard.http.proxy": "off", **settings})
    config.include("pyramid_oauthguard")
    add(config, "/local", token_check="local")
    config.commit()
    return [each for each in judge_guard(config.registry) if each.subject == "certificate"]


@pytest.mark.parametrize(("days", "said"), [(13, "ends in 13 days"), (0.4, "ends in 0 days"), (90, None)])
def test_the_certificate_of_an_issuer(tmp_path: Path, days: float, said: str | None) -> None:
    with HTTPIssuer(tls=write_certificate(tmp_path, days=days)) as issuer:
        found = check(issuer)
    assert [each.level for each in found] == (["warning"] if said else [])
    assert all(f"that of 127.0.0.1 {said}" == each.text for each in found)


def test_one_that_has_ended_is_said_beside_the_refusal(tmp_path: Path) -> None:
    with HTTPIssuer(tls=write_certificate(tmp_path, days=-0.5)) as issuer:
        (found,) = check(issuer)
    assert found.text == "that of 127.0.0.1 has ended"


def test_an_issuer_without_tls_has_none() -> None:
    with HTTPIssuer() as issuer:
        assert check(issuer) == []


# ── PostgreSQL: TLS begins after a question ──────────────────────────────────────────────────────────────────────


@contextmanager
def serve_postgresql(answer: bytes, certificate: Path) -> Iterator[int]:
    """What a PostgreSQL does before anybody says a password."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        plain, _address = listener.accept()
        with plain:
            assert plain.recv(8) == bytes.fromhex("0000000804d2162f")
            plain.sendall(answer)
            if answer == b"S":
                context.wrap_socket(plain, server_side=True).close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    thread.join(10)
    listener.close()


class Settings:
    database_connect_timeout = 2.0

    def __init__(self, url: str) -> None:
        self.sqlalchemy_url = url


@pytest.mark.parametrize(
    ("answer", "days", "said"),
    [
        (b"S", 3, "ends in 3 days"),
        (b"S", 90, None),
        (b"N", 3, None),
    ],
)
def test_the_certificate_of_postgresql(tmp_path: Path, answer: bytes, days: int, said: str | None) -> None:
    with serve_postgresql(answer, write_certificate(tmp_path, days=days)) as port:
        settings: Any = Settings(f"postgresql+psycopg://user:s3cret@127.0.0.1:{port}/oauth")
        found = list(report_certificate(settings))
    assert len(found) == (1 if said else 0)
    assert all(said in each.text and "s3cret" not in each.text + each.hint for each in found)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///x",
        "postgresql+psycopg://u@/d?host=/run/postgresql",
        "postgresql+psycopg://u@a,b/d",
        "postgresql+psycopg:///d",
        "mysql+pymysql://u@h/d",
        "rubbish",
    ],
)
def test_of_others_nothing_is_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_how: Any) -> Any:
        raise AssertionError("asked")

    monkeypatch.setattr(socket, "create_connection", refuse)
    settings: Any = Settings(url)
    assert list(report_certificate(settings)) == []
