"""Which addresses are good enough to send a credential to, and which are this machine."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from pyramid_oauthguard.urls import Origin, as_insecure_host, as_origin, check_endpoint, check_url, is_loopback

GOOD = [
    "https://a.test",
    "https://a.test/",
    "https://a.test:8443/b/c?d=e",
    "https://10.0.0.1",
    "https://[2001:db8::1]/x",
    "https://[2001:DB8:0:0::1]:8443",
    "https://my_service:8443/x",
    "https://xn--bcher-kva.example",
    "https://1e100.net",
    "https://3com.example/@user?a=b@c",
    "http://localhost",
    "HTTP://LocalHost/",
    "http://localhost:80/x",
    "http://127.0.0.1",
    "http://127.255.255.254:1",
    "http://[::1]",
    "http://[::1]:65535/x",
    "http://[0:0:0:0:0:0:0:1]/x",
    "https://a.test/%ff%00",
]
#: Hosts that some program reads as another host, and that no program needs.
ODD_HOSTS = [
    "0",
    "0.0.0.0",  # noqa: S104  # refused, not bound
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "127.0.0.01",
    "127.0.0.1.1",
    "127.0.0.256",
    "127.0.0.0x1",
    "0127.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0x7f000001",
    "0X7F000001",
    "0x",
    "2130706433",
    "12345678901234567890",
    "a.test.1",
    "a.0x7f",
    "localhost.",
    "LOCALHOST.",
    "localhost..",
    ".localhost",
    "a..test",
    "a.test.",
    "localhost%2e",
    "local%68ost",
    "%6c%6f%63%61%6c%68%6f%73%74",
    "%5b::1%5d",
    "127%2e0%2e0%2e1",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[::ffff:10.0.0.1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::2]",
    "[64:ff9b::127.0.0.1]",
    "[::1%lo]",
    "[::1%25lo]",
    "[::1%251]",
    "[fe80::1%25eth0]",
    "[::1].evil.example",
    "[::1]evil.example",
    "[::1]:80.evil.example",
    "evil.example[::1]",
    "[[::1]]",
    "[::1",
    "::1]",
    "]",
    "[]",
    "[localhost]",
    "[127.0.0.1]",
    "[v1.x]",
    "[:::1]",
    "[00001::1]",
    "::1",
    "1::1:80",
    "-a.test",
    "a-.test",
    "a.-",
    "a,b.test",
    "a;b.test",
    "(a).test",
    "a$b.test",
    "*.test",
    "a=b.test",
    "a~b",
    "a.test:",
    "a.test:0",
    "a.test:080",
    "a.test:+80",
    "a.test:8_0",
    "a.test:65536",
    "a.test:99999",
    "a.test:-1",
    "a.test:x",
    "a.test:80:80",
    "user@a.test",
    "user:password@a.test",
    "@a.test",
    "127.0.0.1@evil.example",
    "a" * 64 + ".test",
    "a." * 126 + "test",
    "\u2460\u2461\u2466.0.0.1",
    "127.0.0.1\u3002evil.test",
    "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",
    "loca\u017fhost",
]
BAD = [
    "",
    " ",
    "a.test",
    "//a.test",
    "/a",
    "https:",
    "https:/a.test",
    "https://",
    "https:///a",
    "https://?a",
    "https:a.test",
    "https://:443",
    "http://a.test",
    "http://10.0.0.1",
    "http://128.0.0.1",
    "http://126.255.255.255",
    "http://[2001:db8::1]",
    "http://localhost.evil.test",
    "http://app.localhost",
    "http://127.evil.test",
    "http://127.0.0.1.evil.test",
    "http://evil.test#127.0.0.1",
    "http://evil.test\\@127.0.0.1",
    "http://127.0.0.1\\.evil.test",
    "http://[fe80::1]",
    "https://a.test#b",
    "https://a.test#",
    "https://a.test?#b",
    "https://a.test/ b",
    "https://a.test/\tb",
    "https://a.test\r\nX: y",
    "https://a.test\0",
    "\0https://a.test",
    " https://a.test",
    "https://a.test/<b>",
    "https://a.test/\u00e9",
    "ftp://a.test",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "javascript://a.test/%0aalert(1)",
    "data:text/plain,x",
    "unix:///var/run/docker.sock",
    "https+unix://a.test",
    "xhttps://a.test",
]


@pytest.mark.promise("GD-33", "GD-44")
@pytest.mark.parametrize("url", GOOD)
def test_good_addresses(url):
    check_url(url)


@pytest.mark.promise("GD-33", "GD-44")
@pytest.mark.parametrize("url", BAD)
def test_bad_addresses(url):
    with pytest.raises(ValueError, match=r"must|is not a URL"):
        check_url(url)


@pytest.mark.slow
@pytest.mark.promise("GD-33")
@pytest.mark.parametrize("scheme", ["http", "https", "HTTPS"])
@pytest.mark.parametrize("host", ODD_HOSTS)
def test_an_odd_spelling_of_a_host_is_refused_whatever_it_means(scheme, host):
    for url in (f"{scheme}://{host}", f"{scheme}://{host}/x?y"):
        with pytest.raises(ValueError, match=r"must|is not a URL"):
            check_url(url)


@given(st.text())
def test_any_text_is_good_or_a_value_error(url):
    try:
        check_url(url)
    except ValueError:
        return
    assert url.lower().startswith(("https://", "http://"))
    assert url.isascii()


PIECES = [
    *(":", "/", "?", "#", "@", ".", "[", "]", "%", "\\", ";", ",", "-", "_", "0", "1", "7", "x", "::1", "127", "0x7f"),
    *("localhost", "127.0.0.1", "a.test", "[::1]", "%2e", "::ffff:", "80", ":80", "//", "http", "https://", "http://"),
]


@pytest.mark.slow
@pytest.mark.promise("GD-33")
@given(st.sampled_from(["http://", "https://"]), st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_every_other_parser_finds_the_same_host(scheme, rest):
    """What we judge must be what urllib3 connects to, and what the resolver makes of it."""
    url = scheme + rest
    try:
        check_url(url)
    except ValueError:
        return
    origin = as_origin(url)
    assert _normalize(urlsplit(url).hostname) == origin.host
    assert _normalize(parse_url(url).host.strip("[]")) == origin.host
    assert (urlsplit(url).port or {"http": 80, "https": 443}[origin.scheme]) == origin.port
    assert (parse_url(url).port or {"http": 80, "https": 443}[origin.scheme]) == origin.port
    try:
        packed = socket.inet_aton(origin.host)
    except OSError:
        packed = None
    assert packed is None or socket.inet_ntoa(packed) == origin.host, "the resolver reads it as another address"
    if origin.scheme == "http":
        assert origin.host in {"localhost", "::1"} or (packed is not None and packed[0] == 127)


def _normalize(host):
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower()


@pytest.mark.promise("GD-33")
@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("LOCALHOST", False), ("localhost.", False), ("", False), ("127.1", False), ("127.0.0.01", False), ("10.0.0.1", False), ("::", False), ("1", False), ("::ffff:127.0.0.1", False), ("::ffff:7f00:1", False), ("::1%lo", False), ("127.a.test", False)],
)  # fmt: skip
def test_this_machine_by_its_spelling_alone(host, expected):
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("url", "origin", "text"),
    [
        ("https://A.test/b?c", Origin("https", "a.test", 443), "https://a.test"),
        ("HTTPS://a.test:443", Origin("https", "a.test", 443), "https://a.test"),
        ("http://a.test:8080/", Origin("http", "a.test", 8080), "http://a.test:8080"),
        ("https://[2001:DB8::0:1]:8443", Origin("https", "2001:db8::1", 8443), "https://[2001:db8::1]:8443"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url, origin, text):
    assert as_origin(url) == origin
    assert str(origin) == text


# ── what an issuer publishes ─────────────────────────────────────────────────────────────────────────────────────


PUBLIC = ["https://a.test", "https://a.test:8443/x", "https://10.0.0.1"]
HTTP_HERE = ["http://localhost:8080", "http://127.0.0.1:8080/x", "http://[::1]"]
HTTPS_HERE = ["https://localhost:8443", "https://127.0.0.1", "https://[::1]:8443/x"]


@pytest.mark.promise("GD-33", "GD-44")
@pytest.mark.parametrize("issuer", PUBLIC)
@pytest.mark.parametrize("url", [*HTTP_HERE, *HTTPS_HERE, "https://app.localhost", "http://a.test"])
def test_an_issuer_elsewhere_sends_us_neither_here_nor_anywhere_without_tls(issuer, url):
    with pytest.raises(ValueError, match="must"):
        check_endpoint(url, issuer)


@pytest.mark.promise("GD-44")
@pytest.mark.parametrize("issuer", HTTPS_HERE)
def test_an_issuer_here_with_tls_publishes_addresses_with_tls(issuer):
    for url in (*HTTPS_HERE, *PUBLIC):
        check_endpoint(url, issuer)
    for url in HTTP_HERE:
        with pytest.raises(ValueError, match="must begin with https"):
            check_endpoint(url, issuer)


@pytest.mark.promise("GD-44")
@pytest.mark.parametrize("issuer", [*HTTP_HERE, "HTTP://LOCALHOST"])
def test_an_issuer_here_without_tls_publishes_any_good_address(issuer):
    for url in (*HTTP_HERE, *HTTPS_HERE, *PUBLIC):
        check_endpoint(url, issuer)
    for url in ("http://a.test", "http://[::ffff:127.0.0.1]", "http://10.0.0.1"):
        with pytest.raises(ValueError, match="must"):
            check_endpoint(url, issuer)


@pytest.mark.promise("GD-33")
@pytest.mark.parametrize(
    ("entry", "spelled"),
    [
        ("keycloak", "keycloak"),
        ("Keycloak:8080", "keycloak:8080"),
        ("10.0.0.7", "10.0.0.7"),
        ("[FD00::7]:80", "[fd00::7]:80"),
    ],
)
def test_hosts_that_may_be_asked_without_tls(entry, spelled):
    host = as_insecure_host(entry)
    assert host == spelled
    hosts = frozenset({host})
    check_url(f"http://{entry}/x", hosts)
    for other in ("http://a.test/x", "http://keycloak.test:8080/x", "http://a.keycloak:8080/x", "http://10.0.0.70/x"):
        with pytest.raises(ValueError, match="must"):
            check_url(other, hosts)


def test_a_listed_port_is_the_only_one():
    check_url("http://keycloak:8080/x", frozenset({"keycloak:8080"}))
    check_url("http://keycloak:80/x", frozenset({"keycloak"}))
    for url in ("http://keycloak/x", "http://keycloak:8081/x"):
        with pytest.raises(ValueError, match="must"):
            check_url(url, frozenset({"keycloak:8080"}))


@pytest.mark.promise("GD-33")
@pytest.mark.parametrize(
    "host", ["10.7", "0x0a000007", "167772167", "012.0.0.7", "[::ffff:10.0.0.7]", "10.0.0.7.", "a.test."]
)
def test_another_spelling_of_a_listed_host_is_not_listed(host):
    with pytest.raises(ValueError, match="must"):
        check_url(f"http://{host}/", frozenset({"10.0.0.7", "a.test"}))
    with pytest.raises(ValueError, match="must be a host"):
        as_insecure_host(host)


@pytest.mark.parametrize(
    "entry", ["", "http://a.test", "a.test/x", "*.test", "a.test:", "a.test:0", "a b", "u@a.test", "*"]
)
def test_what_is_not_a_host(entry):
    with pytest.raises(ValueError, match="must be a host"):
        as_insecure_host(entry)
