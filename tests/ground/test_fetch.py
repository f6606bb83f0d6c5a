"""What the outbound HTTP does with connections that are kept."""

import os
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.fetch import Fetcher
from pyramid_oauthguard.fetch.connections import DeadlineTLSSocket, OwnSocket
from tests.certificates import write_certificate

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def read(connection: socket.socket) -> bytes:
    """A whole request; nothing where the other side closed."""
    received = b""
    while not received.endswith((b"\r\n\r\n", b"=t")) or (received.endswith(b"\n") and b"POST" in received):
        more = connection.recv(65536)
        if not more:
            break
        received += more
    return received


@contextmanager
def serve_once_a_connection(*, answers: bool = True, pem: Path | None = None) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers the first request of each connection and drops the connection at the second, or does so at
    the first. What it dropped is in the list, empty where nothing came. With TLS where there is a certificate.
    """
    requests: list[bytes] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if pem else None
    if context:
        context.load_cert_chain(pem)

    def serve(accepted: socket.socket) -> None:
        connection = context.wrap_socket(accepted, server_side=True) if context else accepted
        with connection, suppress(OSError):
            if answers:
                read(connection)
                connection.sendall(ANSWER)
            requests.append(read(connection))

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"{'https' if pem else 'http'}://127.0.0.1:{listener.getsockname()[1]}/", requests
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    """A certificate for 127.0.0.1 and its key."""
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["http", "https"])
def tls(request):
    return request.getfixturevalue("pem") if request.param == "https" else None


def test_a_kept_connection_that_died_is_replaced(tls):
    with serve_once_a_connection(pem=tls) as (url, requests):
        fetcher = Fetcher(timeout=5, ca_file=tls and str(tls))
        assert [fetcher.post(url, {"token": "t"}, harmless=True).status for _ in range(5)] == [200] * 5
        assert len([request for request in requests if request.startswith(b"POST")]) == 4


def test_a_socket_may_be_a_class_of_python():
    """As those of gevent are: their __new__ takes no arguments."""

    class Plain:
        def __init__(self, family: int = -1, *, fileno: int | None = None) -> None:
            self.made = (family, fileno)

    kind = type("Kind", (OwnSocket, Plain), {})
    assert kind(2, fileno=7).made == (2, 7)
    assert not hasattr(kind.__new__(kind, family=2), "made"), "as ssl makes one"


def test_what_is_fetched_once_an_hour_meets_no_dead_connection():
    with serve_once_a_connection() as (url, requests):
        fetcher = Fetcher(timeout=5)
        assert fetcher.post(url, {"token": "t"}, harmless=True).status == 200
        assert [fetcher.get(url).status for _ in range(4)] == [200] * 4
        assert not any(requests)


@pytest.mark.promise("GD-20")
def test_a_reset_of_a_fetch_is_no_second_fetch():
    """It was seen and turned away: to ask again at once would be to ask twice in one cool-down."""
    with serve_once_a_connection(answers=False) as (url, requests):
        fetcher = Fetcher(timeout=5)
        with pytest.raises(UnavailableError):
            fetcher.get(url)
        assert [request[:3] for request in requests] == [b"GET"]


@pytest.mark.promise("GD-22")
def test_a_reset_of_a_new_connection_is_not_taken_for_one_that_was_kept(tls):
    """TLS was set up before the request was sent, so there was a socket: one check asked the issuer 33 times."""
    with serve_once_a_connection(answers=False, pem=tls) as (url, requests):
        fetcher = Fetcher(timeout=5, ca_file=tls and str(tls))
        with pytest.raises(UnavailableError):
            fetcher.post(url, {"token": "t"}, harmless=True)
        assert [request[:4] for request in requests] == [b"POST"]


def test_a_connection_that_is_reset_before_the_handshake_is_not_left_open():
    """The standard library closes it when the handshake fails, but not if it was reset before the handshake."""
    context = ssl.create_default_context()
    context.sslsocket_class = DeadlineTLSSocket
    with socket.create_server(("127.0.0.1", 0)) as listener:
        plain = socket.create_connection(listener.getsockname())
        accepted, _address = listener.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()
        descriptor = plain.fileno()
        with pytest.raises(ConnectionResetError, match="handshake"):
            context.wrap_socket(plain, server_hostname="127.0.0.1")
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_a_path_is_sent_as_it_is():
    """From Python 3.12.4 on, one that begins with two slashes got two more."""
    with serve_once_a_connection(answers=False) as (url, requests):
        for path in ("//oauth/jwks", "//oauth/introspect?tenant=a", "", "?tenant=a"):
            with suppress(UnavailableError):
                Fetcher(timeout=5).get(f"{url.rstrip('/')}{path}")
    sent = [each.split(b" HTTP/1.1")[0].decode() for each in requests]
    assert sent == ["GET //oauth/jwks", "GET //oauth/introspect?tenant=a", "GET /", "GET /?tenant=a"]


def test_what_may_change_something_is_not_sent_twice():
    with serve_once_a_connection() as (url, requests):
        fetcher = Fetcher(timeout=5)
        fetcher.post(url, {"code": "t"})
        with pytest.raises(UnavailableError) as caught:
            fetcher.post(url, {"code": "t"})
        assert caught.value.reason == "unreachable"
        assert [request.split(b" ")[0] for request in requests] == [b"POST"]
