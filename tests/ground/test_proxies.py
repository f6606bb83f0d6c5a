"""Requests through a proxy: which take it, what it gets to see, and what a failure says."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

import pytest

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.fetch import Fetcher
from pyramid_oauthguard.fetch.proxies import Proxy, build_proxy, read_environment
from pyramid_oauthguard.urls import as_origin
from tests.certificates import write_certificate
from tests.issuers import HTTPIssuer
from tests.proxies import TunnelProxy

NAME = "login.issuer.test"


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    """A certificate for the issuer's name, which no resolver knows."""
    return write_certificate(tmp_path_factory.mktemp("tls"), name=NAME)


@pytest.fixture
def site(pem):
    with HTTPIssuer(tls=pem) as server:
        yield server


def find_port(site):
    return as_origin(site.origin).port


@pytest.mark.parametrize(
    "text", ["http://proxy.test:3128", "proxy.test:3128", "HTTP://Proxy.test:3128/", "http://u:p@proxy.test:3128"]
)
def test_an_address_of_a_proxy(text):
    assert build_proxy(text).url == "http://proxy.test:3128"


def test_user_and_password_are_for_the_proxy_alone():
    proxy = build_proxy("http://ada:s%40cret@proxy.test:1")
    assert proxy.headers == {"proxy-authorization": "Basic YWRhOnNAY3JldA=="}
    assert "s@cret" not in repr(proxy)
    assert "YWRh" not in repr(proxy)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://",
        "socks5://u:s3cret@p.test:1",
        "https://u:s3cret@p.test:1",
        "http://u:s3cret@p.test",
        "http://u:s3cret@p.test:x",
        "http://p.test:1/s3cret",
    ],
)
def test_what_is_no_address_of_a_proxy_is_not_repeated(text):
    with pytest.raises(ValueError, match="must") as caught:
        build_proxy(text)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, (None, "", ())),
        ({"HTTPS_PROXY": " http://p:1 "}, ("http://p:1", "HTTPS_PROXY", ())),
        ({"https_proxy": "http://q:1", "HTTPS_PROXY": "http://p:1"}, ("http://q:1", "https_proxy", ())),
        ({"https_proxy": "", "HTTPS_PROXY": "http://p:1"}, ("http://p:1", "HTTPS_PROXY", ())),
        ({"HTTP_PROXY": "http://p:1"}, (None, "", ())),
        ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, (None, "", ())),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.test, .b.test 10.0.0.0/8"}, ("http://p:1", "HTTPS_PROXY", ("a.test", ".b.test", "10.0.0.0/8"))),
        ({"no_proxy": "*", "NO_PROXY": "a"}, (None, "", ("*",))),
    ],
)  # fmt: skip
def test_what_the_environment_says(environ, expected):
    assert read_environment(environ) == expected


@pytest.mark.parametrize(
    ("url", "bypass", "expected"),
    [
        ("https://a.test", "", True),
        ("http://a.test", "", False),
        ("https://localhost", "", False),
        ("https://app.localhost", "", False),
        ("https://127.0.0.9", "", False),
        ("https://[::1]", "", False),
        ("https://a.test", "*", False),
        ("https://a.test", "a.test", False),
        ("https://b.a.test", "A.Test", False),
        ("https://b.a.test", ".a.test", False),
        ("https://a.test", "*.a.test", False),
        ("https://ba.test", "a.test", True),
        ("https://a.test", "b.a.test", True),
        ("https://a.test", "a.test:8443", True),
        ("https://a.test:8443", "a.test:8443", False),
        ("https://10.1.2.3", "10.0.0.0/8", False),
        ("https://11.1.2.3", "10.0.0.0/8", True),
        ("https://10.1.2.3", "10.1.2.3", False),
        ("https://[fd00::1]", "fd00::/8", False),
        ("https://[fd00::1]:7", "[fd00::1]:7", False),
        ("https://a.test", ".", True),
        ("https://a.test", "10.0.0.0/99", True),
    ],
)
def test_which_requests_take_it(url, bypass, expected):
    assert build_proxy("http://p.test:1", bypass.split()).serves(as_origin(url)) is expected


@pytest.mark.promise("GD-26")
def test_through_a_tunnel_with_the_pooled_connections(site, pem):
    """The proxy gets host, port and its own password; the issuer gets no password."""
    with TunnelProxy({NAME: find_port(site)}).running() as proxy:
        own = build_proxy(proxy.url.replace("//", "//ada:s3cret@"))
        fetcher = Fetcher(ca_file=str(pem), proxy=own)
        assert fetcher.get(f"https://{NAME}/.well-known/oauth-authorization-server").status == 200
        for _ in range(3):
            assert fetcher.post(f"https://{NAME}/introspect", {"token": "t"}, harmless=True).status == 401
        assert proxy.targets == [f"{NAME}:443"] * 2, "one for the GET, one that is kept"
        for head in proxy.heads:
            assert b"Basic YWRhOnMzY3JldA==" in head
            assert b"introspect" not in head
    assert not [headers for headers in site.headers if "Proxy-Authorization" in headers]
    assert all(headers["User-Agent"].startswith("pyramid_oauthguard/") for headers in site.headers)


def test_loopback_and_requests_without_tls_go_directly(site):
    with HTTPIssuer() as plain, TunnelProxy().running() as proxy:
        fetcher = Fetcher(ca_file=str(site.ca_file), proxy=Proxy(proxy.url), insecure_hosts=frozenset({"a.test"}))
        assert fetcher.get(f"{plain.origin}/.well-known/oauth-authorization-server").status == 200
        with pytest.raises(UnavailableError) as caught:
            fetcher.get("http://a.test/x")
        assert "proxy" not in caught.value.detail
        assert proxy.heads == []


@pytest.mark.promise("GD-26")
@pytest.mark.parametrize("status", [b"407 Proxy s3cret Required", b"403 Forbidden", b"502 Bad"])
def test_a_proxy_that_refuses_is_named_without_its_password(status):
    with TunnelProxy(answer=b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n").running() as proxy:
        fetcher = Fetcher(proxy=build_proxy(proxy.url.replace("//", "//ada:s3cret@")))
        with pytest.raises(UnavailableError) as caught:
            fetcher.get(f"https://{NAME}/x")
    text = caught.value.detail
    assert f"GET https://{NAME}/x through the proxy {proxy.url}: " in text
    assert f"(it answered {status[:3].decode()})" in text
    assert "s3cret" not in text


@pytest.mark.slow
def test_a_proxy_whose_answer_drips_does_not_hold_us_longer_than_the_timeout():
    stop, sent = threading.Event(), []

    def drip(listener):
        with suppress(OSError):
            connection = listener.accept()[0]
            with connection:
                for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 500:
                    if stop.wait(0.05):
                        break
                    connection.sendall(bytes([byte]))
                    sent.append(byte)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        fetcher = Fetcher(timeout=0.4, proxy=Proxy(f"http://127.0.0.1:{listener.getsockname()[1]}"))
        with pytest.raises(UnavailableError) as caught:
            fetcher.get(f"https://{NAME}/x")
        stop.set()
    assert caught.value.reason == "unreachable"
    assert len(sent) < 500, "it gave up long before the end"
