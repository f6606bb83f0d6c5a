"""What an issuer must not do to us over HTTP: refused, never followed, never cached, and never anybody's 200 or 401."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import time_machine
from pyramid.config import Configurator
from webtest import TestApp

from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.guarding import Root, add, ask, find_status, read_problem
from tests.issuers import ENDPOINTS, FAULTS, HTTPIssuer

pytestmark = pytest.mark.promise("GD-44")

#: Not here: an answer that is slow but good, and one that is well-formed but another issuer's. They have tests of their own.
SILENT = {"hang", "drip"}
SHORT = {"http.timeout": "0.5"}
BAD = sorted(set(FAULTS) - {"slow", "other issuer"})


@pytest.fixture
def server():
    with HTTPIssuer() as server:
        yield server


def build(settings, **more):
    config = Configurator(
        settings={
            **settings,
            "oauthguard.http.timeout": "3",
            "oauthguard.http.max_bytes": "100000",
            "oauthguard.keys.cooldown": "0",
            **{f"oauthguard.{name}": value for name, value in more.items()},
        },
        root_factory=Root,
    )
    config.include("pyramid_oauthguard")
    add(config, "/local", token_check="local")
    add(config, "/remote", token_check="remote")
    return TestApp(config.make_wsgi_app())


def check_unavailable(response):
    assert response.status_int == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "WWW-Authenticate" not in response.headers
    assert read_problem(response)["title"] == "Service Unavailable"
    assert "127.0.0.1" not in response.text


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("fault", BAD)
def test_each_fault_is_503_for_as_long_as_it_lasts(server, fault, endpoint):
    app = build(server.settings, **SHORT if fault in SILENT else {})
    server.fail(fault, endpoint)
    raw = server.issuer.mint()
    began = time.monotonic()
    check_unavailable(ask(app, "/remote", raw))
    if endpoint != "introspection":
        check_unavailable(ask(app, "/local", raw))
    assert time.monotonic() - began < 6
    assert server.calls["elsewhere"] == 0
    server.heal()
    deadline = time.monotonic() + 10
    while (status := find_status(app, "/remote", raw)) == 503 and time.monotonic() < deadline:
        time.sleep(0.05)  # an origin that did not answer at all is left alone for a moment
    assert status == 200
    assert find_status(app, "/local", raw) == 200


@pytest.mark.slow
@pytest.mark.parametrize("fault", BAD)
def test_a_fault_of_the_introspection_endpoint_says_nothing_of_the_token(server, fault):
    app = build(server.settings, **SHORT if fault in SILENT else {})
    revoked = server.issuer.mint()
    server.issuer.revoke(revoked)
    assert find_status(app, "/remote", revoked) == 401
    server.fail(fault, "introspection")
    check_unavailable(ask(app, "/remote", server.issuer.mint()))
    assert find_status(app, "/remote") == 401
    assert find_status(app, "/remote", server.issuer.mint_expired()) == 401  # known without asking


def test_another_issuers_word_is_not_taken(server):
    """Its answer names another issuer: whoever that is, it is not who vouches for our tokens."""
    app = build(server.settings)
    raw = server.issuer.mint()
    assert find_status(app, "/remote", raw) == 200
    server.fail("other issuer", "introspection")
    assert find_status(app, "/remote", raw) == 401


def test_another_issuers_metadata_is_an_outage(server):
    app = build(server.settings)
    server.fail("other issuer", "metadata")
    check_unavailable(ask(app, "/local", server.issuer.mint()))
    assert server.calls["keys"] == 0
    server.heal()
    assert find_status(app, "/local", server.issuer.mint()) == 200


def test_another_issuers_keys_verify_nothing(server):
    app = build(server.settings)
    server.fail("other issuer", "keys")
    assert find_status(app, "/local", server.issuer.mint()) == 401


@pytest.mark.slow
def test_an_answer_that_comes_in_time_is_taken(server):
    server.delay = 0.1
    server.fail("slow")
    app = build(server.settings)
    assert find_status(app, "/remote", server.issuer.mint()) == 200


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_answer_that_comes_late_is_not_waited_for(server, endpoint):
    server.delay = 3
    server.fail("slow", endpoint)
    app = build(server.settings, **SHORT)
    began = time.monotonic()
    check_unavailable(ask(app, "/remote", server.issuer.mint()))
    assert time.monotonic() - began < 2


# ── metadata ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Documents:
    """A server of exactly these documents, by path; a callable gets the handler."""

    def __init__(self):
        self.documents = {}
        self.asked = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                owner.asked.append(self.path)
                found = owner.documents.get(self.path)
                if callable(found):
                    found(self)
                    return
                data = found if isinstance(found, bytes) else json.dumps(found or {}).encode()
                self.send_response(200 if found is not None else 404)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


METADATA = "/.well-known/oauth-authorization-server"


@pytest.fixture
def documents():
    with Documents() as documents:
        yield documents


def publish(documents, issuer=None, **metadata):
    """A good issuer, but for `metadata`."""
    issuer = issuer or MemoryIssuer(documents.origin)
    documents.documents["/jwks"] = issuer.jwks
    documents.documents[METADATA] = {**issuer.metadata, **metadata}
    return issuer


@pytest.mark.slow
@pytest.mark.parametrize(
    "claimed",
    [
        "{}/",
        "{}//",
        "http://localhost",
        "HTTP{}",
        "https://evil.test",
        " {}",
        "{} ",
        "{}#",
        "{}?",
        "",
        None,
        7,
        ["{}"],
        {"issuer": "{}"},
    ],
)
def test_metadata_of_another_issuer_is_refused_byte_for_byte_and_not_kept(documents, claimed):
    origin = documents.origin
    named = claimed.format(origin) if isinstance(claimed, str) else [origin] if isinstance(claimed, list) else claimed
    if named == f"HTTP{origin}":
        named = f"HTTP{origin.removeprefix('http')}"
    issuer = publish(documents, issuer=MemoryIssuer(origin))
    documents.documents[METADATA]["issuer"] = named
    app = build(issuer.settings)
    raw = issuer.mint()
    check_unavailable(ask(app, "/local", raw))
    assert "/jwks" not in documents.asked
    publish(documents, issuer)
    assert find_status(app, "/local", raw) == 200


BAD_ENDPOINTS = [
    # Spellings of this machine that are none to us, so that a request would be seen.
    "http://2130706433:{port}/stolen",
    "http://127.1:{port}/stolen",
    "http://0x7f.0.0.1:{port}/stolen",
    "http://0:{port}/stolen",
    "http://0.0.0.0:{port}/stolen",
    "http://[::ffff:127.0.0.1]:{port}/stolen",
    "http://localhost.:{port}/stolen",
    "http://user:password@127.0.0.1:{port}/stolen",
    "http://127.0.0.1:{port}/stolen#fragment",
    "http://127.0.0.1:{port}/stolen more",
    "http://127.0.0.1:{port}/stolen\r\nX: y",
    "//127.0.0.1:{port}/stolen",
    "HTTP//127.0.0.1:{port}/stolen",
    "ftp://127.0.0.1:{port}/stolen",
    "http://evil.test/jwks",
    "http://169.254.169.254/latest/meta-data",
    "file:///etc/passwd",
    "/jwks",
    "jwks",
    "",
    "https://",
    7,
    ["https://evil.test"],
    {"url": "https://evil.test"},
    True,
]


@pytest.mark.slow
@pytest.mark.parametrize("url", BAD_ENDPOINTS, ids=repr)
@pytest.mark.parametrize("name", ["jwks_uri", "introspection_endpoint"])
def test_an_endpoint_that_is_no_good_address_is_not_asked_nor_kept(documents, name, url):
    if isinstance(url, str):
        url = url.format(port=documents.server.server_port)
    issuer = publish(documents, **{name: url})
    documents.documents["/introspect"] = {"active": True}
    app = build(issuer.settings)
    raw = issuer.mint()
    check_unavailable(ask(app, "/remote", raw))
    assert not [path for path in documents.asked if path.startswith("/stolen")]
    publish(documents, issuer)
    assert find_status(app, "/remote", raw) == 200


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jwks_uri", "introspection_endpoint"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_issuer_elsewhere_does_not_send_us_to_this_machine(documents, scheme, name):
    """It could have us ask, or give our secret to, any service that listens here. The settings may say so."""
    elsewhere = MemoryIssuer("https://id.example")
    issuer = publish(
        documents, elsewhere, jwks_uri="https://id.example/jwks", introspection_endpoint="https://id.example/i"
    )
    named = f"{documents.origin}{'/jwks' if name == 'jwks_uri' else '/introspect'}"
    documents.documents[METADATA][name] = named.replace("http:", f"{scheme}:")
    documents.documents["/introspect"] = {"active": True}
    settings = {**issuer.settings, "oauthguard.metadata_url": documents.origin + METADATA}
    ours = {"jwks_uri": f"{documents.origin}/jwks", "introspection.endpoint": f"{documents.origin}/introspect"}
    keys = {} if name == "jwks_uri" else {"jwks_uri": ours["jwks_uri"]}
    raw = issuer.mint()
    check_unavailable(ask(build(settings, **keys), "/remote", raw))
    assert "/introspect" not in documents.asked
    assert ("/jwks" in documents.asked) == (name != "jwks_uri")
    assert find_status(build(settings, **ours), "/remote", raw) == 200


@pytest.mark.parametrize("name", ["jwks_uri", "introspection_endpoint"])
def test_an_endpoint_that_is_missing_is_looked_for_again(documents, name):
    issuer = publish(documents)
    del documents.documents[METADATA][name]
    app = build(issuer.settings, **{"keys.cooldown": "60"})
    documents.documents["/introspect"] = {"active": True}
    with time_machine.travel(1_900_000_000, tick=False) as clock:
        raw = issuer.mint()
        check_unavailable(ask(app, "/remote", raw))
        publish(documents, issuer)
        check_unavailable(ask(app, "/remote", raw))  # not at each request
        clock.shift(61)
        assert find_status(app, "/remote", raw) == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b"true",
        b"{",
        b"{}{}",
        b'{"a":1,}',
        b"{'issuer':1}",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        b'{"issuer":NaN}',
        b'{"issuer":"\\ud800"}',
        b'{"issuer":"a","issuer":"b"}',
        b"[" * 100_000,
        b'{"a":' * 10_000,
        b"<html>",
    ],
    ids=lambda body: repr(body[:20]),
)
@pytest.mark.parametrize("path", [METADATA, "/jwks"])
def test_what_is_no_json_object_is_refused(documents, path, body):
    issuer = publish(documents)
    documents.documents[path] = body
    app = build(issuer.settings)
    check_unavailable(ask(app, "/local", issuer.mint()))
    publish(documents, issuer)
    assert find_status(app, "/local", issuer.mint()) == 200


def test_a_byte_order_mark_is_not_part_of_a_document(documents):
    """Some tools write one before the key set of an issuer without a server."""
    issuer = publish(documents)
    for path in (METADATA, "/jwks"):
        documents.documents[path] = b"\xef\xbb\xbf" + json.dumps(documents.documents[path]).encode()
    assert find_status(build(issuer.settings), "/local", issuer.mint()) == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    "keys", [None, {}, "keys", 7, [], [None], [7], ["x"], [[]], [{}], [{"kty": "RSA"}], [{"kty": "oct", "k": "AAAA"}]]
)
def test_a_key_set_without_a_usable_key_is_an_outage(documents, keys):
    issuer = publish(documents)
    documents.documents["/jwks"] = {"keys": keys}
    app = build(issuer.settings)
    check_unavailable(ask(app, "/local", issuer.mint()))
    publish(documents, issuer)
    assert find_status(app, "/local", issuer.mint()) == 200


# ── redirects, sizes, drips ──────────────────────────────────────────────────────────────────────────────────────


def redirect_to(location, status=302):
    def answer(handler):
        handler.send_response(status)
        handler.send_header("Location", location)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.mark.slow
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
@pytest.mark.parametrize("path", [METADATA, "/jwks", "/introspect"])
def test_no_redirect_is_followed(documents, path, status):
    issuer = publish(documents)
    documents.documents["/introspect"] = {"active": True}
    documents.documents["/stolen"] = documents.documents.get(path)
    documents.documents[path] = redirect_to(f"{documents.origin}/stolen", status)
    app = build(issuer.settings)
    check_unavailable(ask(app, "/remote", issuer.mint()))
    assert "/stolen" not in documents.asked


def drip(data, seconds=0.05):
    def answer(handler):
        for position in range(len(data)):
            try:
                handler.wfile.write(data[position : position + 1])
                handler.wfile.flush()
            except OSError:
                break
            time.sleep(seconds)
        handler.close_connection = True

    return answer


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK" + b"x" * 200,
        b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 200,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b" " * 200,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 50,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1;" + b"e" * 200,
    ],
    ids=["status line", "one header", "many headers", "interim answers", "body", "chunks", "one chunk's head"],
)
def test_a_slow_drip_ends_at_the_timeout(documents, data):
    issuer = publish(documents)
    documents.documents["/jwks"] = drip(data)
    app = build(issuer.settings, **SHORT)
    began = time.monotonic()
    check_unavailable(ask(app, "/local", issuer.mint()))
    assert time.monotonic() - began < 2  # with a timeout of half a second


def stream(head, chunk, count):
    def answer(handler):
        handler.close_connection = True
        try:
            handler.wfile.write(head)
            for _ in range(count):
                handler.wfile.write(chunk)
        except OSError:
            pass

    return answer


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [
        stream(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536, 4_000),
        stream(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b" " * 65536, 4_000),
        stream(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65536 + b"\r\n", 4_000),
        stream(b"HTTP/1.1 200 OK\r\n", b"X-Header: y\r\n", 100_000),
        stream(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 65536, 1_000),
        stream(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n", b"abc", 1),
        stream(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", b"{}", 1),
        stream(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n", b"{}", 1),
        stream(b"HTTP/1.1 99999 What\r\n\r\n", b"{}", 1),
        stream(b"HTTP/9.9 200 OK\r\n\r\n", b"{}", 1),
        stream(b"", b"", 1),
        stream(b"220 smtp.example ESMTP\r\n", b"", 1),
        stream(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n", b"", 1),
        stream(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", b"{}", 1),
        stream(b"HTTP/1.1 204 No Content\r\n\r\n", b"", 1),
        stream(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 11\r\n\r\n", b'{"keys":[]}', 1),
    ],
    ids=["endless body", "long body", "endless chunks", "headers", "one header", "gzip", "negative", "two lengths", "status", "version", "nothing", "smtp", "bad chunk", "101", "204", "206"],
)  # fmt: skip
@pytest.mark.parametrize("path", [METADATA, "/jwks"])
def test_an_answer_out_of_bounds_is_refused(documents, path, answer):
    issuer = publish(documents)
    documents.documents[path] = answer
    app = build(issuer.settings)
    began = time.monotonic()
    check_unavailable(ask(app, "/local", issuer.mint()))
    assert time.monotonic() - began < 5


@contextmanager
def silent_port():
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


@pytest.mark.slow
def test_a_port_that_never_speaks():
    with silent_port() as port:
        issuer = MemoryIssuer(f"http://127.0.0.1:{port}")
        app = build(issuer.settings, **SHORT)
        began = time.monotonic()
        check_unavailable(ask(app, "/local", issuer.mint()))
        assert time.monotonic() - began < 2


@pytest.mark.slow
def test_a_port_that_never_shakes_hands():
    """TLS towards something that accepts and is silent."""
    with silent_port() as port:
        issuer = MemoryIssuer(f"https://127.0.0.1:{port}")
        app = build(issuer.settings, **SHORT)
        began = time.monotonic()
        check_unavailable(ask(app, "/local", issuer.mint()))
        assert time.monotonic() - began < 2


@pytest.mark.slow
def test_a_certificate_that_nobody_trusts(tmp_path):
    import datetime
    import ssl

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with Documents() as documents:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        documents.server.socket = context.wrap_socket(documents.server.socket, server_side=True)
        documents.server.handle_error = lambda *args: None
        port = documents.server.server_port
        issuer = publish(documents, MemoryIssuer(f"https://localhost:{port}"))
        check_unavailable(ask(build(issuer.settings), "/local", issuer.mint()))
        assert not documents.asked
        trusting = build(issuer.settings, **{"http.ca_file": str(pem)})
        assert find_status(trusting, "/local", issuer.mint()) == 200
        # The certificate is for another name than this one.
        other = publish(documents, MemoryIssuer(f"https://127.0.0.1:{port}"))
        check_unavailable(ask(build(other.settings, **{"http.ca_file": str(pem)}), "/local", other.mint()))
