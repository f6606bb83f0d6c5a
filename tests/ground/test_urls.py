"""Which addresses are good enough to send a credential to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_oauthguard.urls import check_url, is_loopback

GOOD = [
    "https://a.test",
    "https://a.test/",
    "https://a.test:8443/b/c?d=e",
    "https://10.0.0.1",
    "https://[2001:db8::1]/x",
    "http://localhost",
    "http://localhost:80/x",
    "http://127.0.0.1",
    "http://127.255.255.254:1",
    "http://[::1]",
    "https://a.test/%ff%00",
]
BAD = [
    "",
    " ",
    "a.test",
    "//a.test",
    "/a",
    "https:",
    "https://",
    "https:///a",
    "https:a.test",
    "http://a.test",
    "http://10.0.0.1",
    "http://0.0.0.0",
    "http://0",
    "http://127.1",
    "http://2130706433",
    "http://0x7f000001",
    "http://017700000001",
    "http://localhost.",
    "http://localhost.evil.test",
    "http://127.0.0.1.evil.test",
    "http://127.0.0.1@evil.test",
    "http://evil.test#127.0.0.1",
    "http://evil.test\\@127.0.0.1",
    "http://127.0.0.1\\.evil.test",
    "http://[::ffff:10.0.0.1]",
    "http://[fe80::1]",
    "http://\u2460\u2461\u2466.0.0.1",
    "http://127.0.0.1\u3002evil.test",
    "https://user@a.test",
    "https://user:password@a.test",
    "https://@a.test",
    "https://a.test#b",
    "https://a.test:99999",
    "https://a.test:-1",
    "https://a.test:x",
    "https://a.test/ b",
    "https://a.test/\tb",
    "https://a.test\r\nX: y",
    "https://a.test\0",
    "https://a.test/<b>",
    "https://a.test/\u00e9",
    "https://[::1",
    "https://]",
    "ftp://a.test",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:text/plain,x",
    "unix:///var/run/docker.sock",
]


@pytest.mark.promise("GD-24")
@pytest.mark.parametrize("url", GOOD)
def test_good_addresses(url):
    check_url(url)


@pytest.mark.promise("GD-24")
@pytest.mark.parametrize("url", BAD)
def test_bad_addresses(url):
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


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("LOCALHOST", False), ("localhost.", False), ("", False), ("127.1", False), ("10.0.0.1", False), ("::", False), ("1", False)],
)  # fmt: skip
def test_this_machine_by_its_spelling_alone(host, expected):
    assert is_loopback(host) is expected
