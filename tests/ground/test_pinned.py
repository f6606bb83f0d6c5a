"""GET from a host that somebody else chose: only its checked public addresses, in limited time and size."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_oauthguard.fetch.pinned import PinnedFetcher, PinnedFetchError
from pyramid_oauthguard.fetch.public_addresses import is_public
from pyramid_oauthguard.fetch.resolving import Resolver
from tests.certificates import write_certificate

BODY = b'{"a": 1}'
GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n" + BODY


# Addresses.

PUBLIC = ["1.1.1.1", "93.184.216.34", "168.63.129.17", "100.63.255.255", "2606:4700::1111", "2a00:1450:4001:81b::200e"]
NOT_PUBLIC = [
    "0.0.0.0", "10.0.0.1",  # noqa: S104
    "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.1.1", "192.175.48.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "168.63.129.16",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8", "::127.0.0.1", "::8.8.8.8", "64:ff9b::7f00:1",
    "64:ff9b::808:808", "64:ff9b:1::7f00:1", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1",
    "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::1", "2002:808:808::1", "2620:4f:8000::1", "3fff::1", "5f00::1",
    "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%1", "2606:4700::1%1", "fec0::1", "ff02::1", "2606:4700::5efe:7f00:1",
    "2606:4700::200:5efe:10.0.0.1",
    "", "localhost", "1.1.1.1 ", "0x7f.1", "1.1.1", "01.1.1.1", "1.1.1.1\n", "::1]",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address):
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@given(st.ip_addresses())
def test_what_python_does_not_call_global_is_not_public(address):
    assert ipaddress.ip_address(address).is_global or not is_public(str(address))


@given(st.ip_addresses(v=4))
def test_no_ipv6_address_that_carries_one_of_ipv4_is_public(address):
    carried = int(address)
    for prefix in ("::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::"):
        assert not is_public(str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | carried)))
    assert not is_public(str(ipaddress.IPv6Address((0x2002 << 112) | (carried << 80) | 1)))
    assert not is_public(str(ipaddress.IPv6Address((0x20010000 << 96) | carried)))


# Connections.


@contextlib.contextmanager
def serve(answer, context=None):
    """A server that sends ``answer(connection)``. Yields its port and what it was sent."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen, ended = [], threading.Event()

    def run():
        while not ended.is_set():
            try:
                connection, _address = listener.accept()
                with context.wrap_socket(connection, server_side=True) if context else connection as wrapped:
                    seen.append(wrapped.recv(65536))
                    answer(wrapped)
            except OSError:
                pass

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], seen
    finally:
        ended.set()
        with contextlib.suppress(OSError):
            socket.create_connection(listener.getsockname(), 1).close()
        listener.close()
        thread.join(5)


def send(data):
    return lambda connection: connection.sendall(data)


def drip(data, pause=0.1):
    def answer(connection):
        for number in range(len(data)):
            connection.sendall(data[number : number + 1])
            time.sleep(pause)

    return answer


def build(*addresses, max_bytes=1000):
    looked_up = []

    def look_up(host, port):
        looked_up.append((host, port))
        return list(addresses or ["127.0.0.1"])

    fetcher = PinnedFetcher(resolver=Resolver(look_up), max_bytes=max_bytes, is_allowed=lambda _origin, _address: True)
    fetcher.looked_up = looked_up
    return fetcher


def get(fetcher, url, seconds=5.0):
    return fetcher.get(url, time.monotonic() + seconds)


def test_the_host_is_looked_up_once_and_the_socket_goes_there(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(socket, "getaddrinfo", refuse_names(socket.getaddrinfo))
    fetcher = build()
    with serve(send(GOOD)) as (port, seen):
        found = get(fetcher, f"http://tool.example:{port}/a/b.json")
    assert (found.body, found.headers["content-type"]) == (BODY, "application/json")
    assert fetcher.looked_up == [("tool.example", port)]
    assert seen[0].startswith(b"GET /a/b.json HTTP/1.1\r\n")
    assert f"Host: tool.example:{port}\r\n".encode() in seen[0]


def refuse_names(real):
    """Only addresses are resolved: the host's name must not be looked up a second time."""

    def look_up(host, *args, **kwargs):
        ipaddress.ip_address(host)
        return real(host, *args, **kwargs)

    return look_up


def test_the_certificate_must_be_that_of_the_host_not_of_the_address(tmp_path, monkeypatch):
    file = write_certificate(tmp_path, name="tool.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    names = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with serve(send(GOOD), context) as (port, _seen):
        assert get(build(), f"https://tool.example:{port}/x").body == BODY
        assert names == ["tool.example"]
        with pytest.raises(PinnedFetchError):
            get(build(), f"https://other.example:{port}/x")
    monkeypatch.delenv("SSL_CERT_FILE")
    with serve(send(GOOD), context) as (port, _seen), pytest.raises(PinnedFetchError):
        get(build(), f"https://tool.example:{port}/x")


@pytest.mark.promise("AS-12")
@pytest.mark.parametrize("bad", ["10.0.0.1", "::1", "64:ff9b::a00:1"])
@pytest.mark.parametrize("order", [1, -1])
def test_one_address_that_is_not_public_is_enough_to_refuse(monkeypatch, bad, order):
    monkeypatch.setattr(socket.socket, "connect", lambda *_args: pytest.fail("connected"))
    fetcher = PinnedFetcher(resolver=Resolver(lambda _host, _port: ["1.1.1.1", bad][::order]), max_bytes=1000)
    with pytest.raises(PinnedFetchError, match="which is not public") as raised:
        get(fetcher, "https://tool.example/x")
    assert not raised.value.is_outage


def test_another_address_is_tried_if_one_does_not_answer():
    with serve(send(GOOD)) as (port, _seen):
        assert get(build("127.0.0.2", "127.0.0.1"), f"http://tool.example:{port}/x").body == BODY


@pytest.mark.promise("AS-12")
@pytest.mark.parametrize(
    ("answer", "is_outage"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False),
        (b"HTTP/1.1 206 Partial Content\r\nContent-Length: 8\r\n\r\n" + BODY, False),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 1001, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + BODY, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", True),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", True),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", True),
        (b"SSH-2.0-OpenSSH\r\n", True),
        (b"", True),
    ],
)
def test_other_answers_are_refused(answer, is_outage):
    with serve(send(answer)) as (port, _seen), pytest.raises(PinnedFetchError) as raised:
        get(build(), f"http://tool.example:{port}/x")
    assert raised.value.is_outage == is_outage


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [
        lambda _connection: time.sleep(2),
        drip(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20),
        drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 20),
        lambda connection: (connection.sendall(GOOD[:-4]), drip(b"    ", pause=0.8)(connection)),
    ],
    ids=["silence", "headers", "continue", "body"],
)
def test_a_slow_answer_ends_at_the_deadline(answer):
    begun = time.monotonic()
    with serve(answer) as (port, _seen):
        with pytest.raises(PinnedFetchError) as raised:
            get(build(), f"http://tool.example:{port}/x", 0.3)
        assert time.monotonic() - begun < 1.5  # it would take two seconds and more
    assert raised.value.is_outage


def test_a_resolver_that_hangs_is_not_waited_for_and_its_threads_are_limited():
    hang = threading.Event()
    fetcher = PinnedFetcher(resolver=Resolver(lambda _host, _port: hang.wait(5) or []), max_bytes=1000)
    before = threading.active_count()
    for _time in range(12):
        with pytest.raises(PinnedFetchError, match="resolved"):
            get(fetcher, "https://tool.example/x", 0.02)
    assert threading.active_count() - before <= 8
    with pytest.raises(PinnedFetchError) as raised:
        get(fetcher, "https://other.example/x", 0.02)
    assert (raised.value.is_busy, raised.value.is_outage) == (True, False), "and the other host is not to blame"
    hang.set()


@pytest.mark.parametrize("problem", [OSError("x"), UnicodeError("y"), []])
def test_a_name_that_has_no_address_is_refused(problem):
    def look_up(_host, _port):
        if isinstance(problem, list):
            return problem
        raise problem

    with pytest.raises(PinnedFetchError, match="can't be resolved"):
        get(PinnedFetcher(resolver=Resolver(look_up), max_bytes=1000), "https://tool.example/x")


def test_the_system_resolver_is_asked_for_addresses():
    assert "127.0.0.1" in Resolver().resolve("127.0.0.1", 443, time.monotonic() + 5)
