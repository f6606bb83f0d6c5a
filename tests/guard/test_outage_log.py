"""An outage in the log: one line for each cause and interval, with a count, and what the cause is."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.guarding import add, ask, build_app
from tests.issuers import HTTPIssuer
from tests.steady.apps import TIMEOUT, Api

MANY = 300


@pytest.fixture
def log(caplog):
    """The lines of warnings and worse so far."""
    caplog.set_level(logging.DEBUG, logger="pyramid_oauthguard")
    return lambda: [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.fixture
def later(monkeypatch):
    """Set the monotonic clock forward by so many seconds."""
    monotonic, ahead = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + ahead[0])

    def shift(seconds):
        ahead[0] += seconds

    return shift


@pytest.fixture
def server():
    with HTTPIssuer(algorithm="ES256") as server:
        yield server


# ── how many lines ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("view", ["local", "remote"])
@pytest.mark.parametrize("fault", ["reset", "broken", "garbage", "empty"])
def test_an_outage_writes_a_few_lines_however_many_requests_it_meets(server, log, fault, view):
    api = Api(server.settings)
    raw = server.issuer.mint()
    server.fail(fault)
    assert api.ask_all(view, [raw] * MANY) == {503: MANY}
    assert 1 <= len(log()) <= 6, log()


@pytest.mark.slow
def test_the_lines_of_an_interval_are_counted(log, later):
    issuer = MemoryIssuer(algorithm="ES256")
    app = build_app(lambda config: add(config, "/", token_check="remote"), issuer)
    issuer.go_down()
    raw = issuer.mint_opaque()
    for _ in range(MANY):
        assert ask(app, "/", raw).status_int == 503
    later(61)
    assert ask(app, "/", raw).status_int == 503
    first, second = log()
    assert "no answer about a token by the remote check: unreachable" in first
    assert re.search(rf"\({MANY} failures in 6\d seconds\)$", second)


def test_the_end_of_an_outage_is_logged(log, later):
    issuer = MemoryIssuer(algorithm="ES256")
    app = build_app(lambda config: add(config, "/", token_check="remote"), issuer)
    with issuer.outage():
        ask(app, "/", issuer.mint_opaque())
    later(10)
    assert ask(app, "/", issuer.mint_opaque()).status_int == 200
    assert re.fullmatch("the remote check: unreachable: works again, after 1. seconds and 1 failures", log()[-1])
    lines = len(log())
    assert ask(app, "/", issuer.mint_opaque()).status_int == 200
    assert len(log()) == lines


def test_two_causes_are_two_lines(log):
    issuer = MemoryIssuer(algorithm="ES256")
    app = build_app(lambda config: add(config, "/", token_check="remote"), issuer)
    for reason in ["unreachable", "introspection_refused"] * 20:
        with issuer.outage(UnavailableError(reason)):
            assert ask(app, "/", issuer.mint_opaque()).status_int == 503
    assert len(log()) == 2


@pytest.mark.slow
def test_a_verifier_of_the_application_that_fails_is_one_line(log):
    class Broken:
        def verify(self, raw):
            raise KeyError(raw)

    def configure(config):
        config.set_token_verifier("local", Broken())
        add(config, "/", token_check="local")

    app = build_app(configure)
    for _ in range(MANY):
        assert ask(app, "/", "swordfish").status_int == 503
    (line,) = log()
    assert "verifier_failed: KeyError was raised" in line
    assert "swordfish" not in line


@pytest.mark.parametrize("raiser", ["view", "requirement"])
def test_an_outage_that_the_application_finds_is_logged(log, raiser):
    error = UnavailableError("quota_unknown", "the quota service does not answer")

    def fail(*_args):
        raise error

    def configure(config):
        config.add_token_requirement("quota", lambda value: fail)
        if raiser == "view":
            add(config, "/", fail, token_check="local")
        else:
            add(config, "/", token_require={"quota": "1"})

    issuer = MemoryIssuer(algorithm="ES256")
    app = build_app(configure, issuer)
    for _ in range(20):
        assert ask(app, "/", issuer.mint()).status_int == 503
    (line,) = log()
    assert "a view or its requirements: quota_unknown: the quota service does not answer" in line


def test_a_limit_that_is_reached_is_logged(log):
    issuer = MemoryIssuer(algorithm="ES256")
    issuer.in_memory = False  # it stands for one that is asked over a network
    entered, leave = threading.Event(), threading.Event()

    def introspect(raw):
        entered.set()
        leave.wait(20)
        return {"active": False}

    issuer.introspect = introspect
    app = build_app(lambda config: add(config, "/", token_check="remote"), issuer)
    waiting = threading.Thread(target=ask, args=(app, "/", issuer.mint_opaque()))
    waiting.start()
    assert entered.wait(10)
    for _ in range(20):
        assert ask(app, "/", issuer.mint_opaque()).status_int == 503
    leave.set()
    waiting.join()
    (line,) = log()
    assert "too_many_checks: 1 remote checks wait for the issuer (oauthguard.introspection.max_in_flight)" in line


# ── circuits ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_circuit_that_opens_and_closes_is_logged(server, log):
    api = Api(server.settings, keys__cooldown=0.2)
    assert api.ask("remote", server.issuer.mint_opaque()) == 200
    server.fail("reset", "introspection")
    for _ in range(20):
        assert api.ask("remote", server.issuer.mint_opaque()) == 503
    url = f"{server.origin}/introspect"
    assert f"{url} does not answer: it is asked once in 0.2 s until it does" in log()
    opened = next(line for line in log() if f"circuit_open: {url} did not answer the last" in line)
    assert "(ProtocolError" in opened, opened
    server.heal()
    deadline = time.monotonic() + 10
    while api.ask("remote", server.issuer.mint_opaque()) != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert f"{url} answers again" in log()
    assert len(log()) <= 5


# ── which cause ──────────────────────────────────────────────────────────────────────────────────────────────────

CAUSES = {
    "reset": "unreachable: GET {origin}/jwks: ProtocolError ECONNRESET",
    "broken": "bad_jwks: {origin}/jwks answered 500 without a key set",
    "too many": "bad_jwks: {origin}/jwks answered 429 without a key set",
    "redirect": "redirected: {origin}/jwks answered 302 with Location {origin}/elsewhere",
    "garbage": "not_json: {origin}/jwks did not answer with a JSON object",
    "huge": "too_large: {origin}/jwks answered with more than 1048576 bytes",
    "empty": "bad_jwks: {origin}/jwks answered 200 without a key set",
    "hang": "unreachable: GET {origin}/jwks: ReadTimeoutError",
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", CAUSES)
def test_the_line_names_what_the_issuer_did(server, log, fault):
    api = Api(server.settings, http__timeout=TIMEOUT if fault == "hang" else 5)
    server.fail(fault, "keys")
    raw = server.issuer.mint()
    assert api.ask("local", raw) == 503
    expected = CAUSES[fault].format(origin=server.origin)
    assert any(f"no answer about a token by the local check: {expected}" in line for line in log()), log()
    assert any(f"the issuer's keys can't be fetched: {expected}" in line for line in log()), log()
    assert raw not in str(log())


def test_the_line_names_that_nothing_listens(log):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with HTTPIssuer() as server:
        api = Api({**server.settings, "oauthguard.jwks_uri": f"http://127.0.0.1:{port}/jwks"})
        assert api.ask("local", server.issuer.mint()) == 503
    assert any(f"GET http://127.0.0.1:{port}/jwks: NewConnectionError ECONNREFUSED" in line for line in log()), log()


@pytest.mark.parametrize("name", ["localhost", "issuer.example"])
def test_the_line_names_why_a_certificate_is_not_accepted(log, tmp_path, name):
    certificate = make_certificate(tmp_path, name)
    trusted = certificate if name != "localhost" else None  # an unknown authority, or a name that does not fit
    with listen_with_tls(certificate) as port, HTTPIssuer() as server:
        settings = {**server.settings, "oauthguard.jwks_uri": f"https://localhost:{port}/jwks"}
        if trusted:
            settings["oauthguard.http.ca_file"] = str(trusted)
        api = Api(settings)
        assert api.ask("local", server.issuer.mint()) == 503
    said = "Hostname mismatch" if trusted else "self-signed certificate"
    assert any(f"GET https://localhost:{port}/jwks: SSLError {said}" in line for line in log()), log()


def make_certificate(folder, name):
    """A key and its own certificate in one PEM file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(
            subject, subject, key.public_key(), x509.random_serial_number(), now, now + timedelta(1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "certificate.pem"
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file


@contextlib.contextmanager
def listen_with_tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    context.wrap_socket(connection, server_side=True).close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
