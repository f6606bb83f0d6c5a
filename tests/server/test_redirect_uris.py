"""Which redirect URI a request may name: the registered one, and on a loopback address any port."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_oauthguard.server.clients.redirect_uris import build_answer_uri, is_registered
from pyramid_oauthguard.server.clients.registration import check_redirect_uri
from pyramid_oauthguard.server.grant_types import RegistrationError

REGISTERED = (
    "https://web.example/callback",
    "https://web.example/callback?tenant=1",
    "http://127.0.0.1/callback",
    "http://127.0.0.1:8000/fixed",
    "http://[::1]/callback",
    "http://localhost/callback",
    "com.example.app:/callback",
)


@pytest.mark.promise("AS-51")
@pytest.mark.parametrize(
    "uri",
    [
        *REGISTERED,
        "http://127.0.0.1:1/callback",
        "http://127.0.0.1:65535/callback",
        "http://127.0.0.1:9/fixed",
        "http://127.0.0.1/fixed",
        "http://[::1]:51000/callback",
    ],
)
def test_the_registered_ones_are_taken(uri):
    assert is_registered(uri, REGISTERED)


@pytest.mark.promise("AS-51")
@pytest.mark.parametrize(
    "uri",
    [
        "",
        "https://web.example/callback/",
        "https://web.example/Callback",
        "https://WEB.example/callback",
        "https://web.example:443/callback",
        "https://web.example/callback?",
        "https://web.example/callback?tenant=2",
        "https://web.example/callback?tenant=1&x=1",
        "https://web.example/callback#",
        "https://web.example/x/../callback",
        "https://web.example/%63allback",
        "https://web.example.evil.example/callback",
        "https://web.example@evil.example/callback",
        "http://web.example/callback",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:65536/callback",
        "http://127.0.0.1:99999/callback",
        "http://127.0.0.1:/callback",
        "http://127.0.0.1:+80/callback",
        "http://127.0.0.1:８０/callback",
        "http://127.0.0.1:80@evil.example/callback",
        "http://127.0.0.1:80:80/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.1\\@evil.example/callback",
        "http://127.0.0.2:80/callback",
        "http://127.1:80/callback",
        "http://2130706433:80/callback",
        "http://[::1]:80/callback#x",
        "http://[0:0:0:0:0:0:0:1]:80/callback",
        "http://[::ffff:127.0.0.1]:80/callback",
        "https://127.0.0.1:80/callback",
        "http://localhost:80/callback",
        "http://127.0.0.1:80/callback\n",
        "com.example.app:/other",
        "com.example.app://callback",
    ],
)
def test_no_other_is(uri):
    assert not is_registered(uri, REGISTERED)


@pytest.mark.promise("AS-51")
@pytest.mark.parametrize(
    "uri",
    ["http://web.example/", "myapp:/callback", "javascript:alert(1)", "https://*.example/", "https://web.example/#x", "https://u@web.example/", "/callback", "//web.example/", "data:text/html,x"],
)  # fmt: skip
def test_what_leads_astray_cant_be_registered(uri):
    with pytest.raises(RegistrationError):
        check_redirect_uri(uri)


@pytest.mark.parametrize(
    ("uri", "answer"),
    [
        ("https://a.example/", "https://a.example/?code=x"),
        ("https://a.example", "https://a.example?code=x"),
        ("https://a.example/?", "https://a.example/?code=x"),
        ("https://a.example/?b=%20+c", "https://a.example/?b=%20+c&code=x"),
        ("https://a.example/?b&", "https://a.example/?b&code=x"),
        ("com.example.app:/cb", "com.example.app:/cb?code=x"),
        ("https://localhost??", "https://localhost??&code=x"),
        ("https://localhost???", "https://localhost???&code=x"),
        ("https://a.example/?b=c?", "https://a.example/?b=c?&code=x"),
        ("https://a.example/?b=/?&", "https://a.example/?b=/?&code=x"),
        ("https://a.example?&", "https://a.example?&code=x"),
    ],
)
def test_the_answer_is_added_to_what_is_there(uri, answer):
    assert build_answer_uri(uri, {"code": "x", "state": None}) == answer


@pytest.mark.slow
@given(st.text("?&=/b", max_size=8))
def test_what_is_added_keeps_its_name_whatever_the_query_ends_in(query):
    answer = build_answer_uri(f"https://a.example?{query}", {"code": "x"})
    assert answer.startswith(f"https://a.example?{query}")
    assert parse_qsl(urlsplit(answer).query)[-1] == ("code", "x")


@pytest.mark.slow
@pytest.mark.promise("AS-51")
@given(st.text())
def test_nothing_added_leads_elsewhere(state):
    answer = build_answer_uri("https://a.example/cb", {"state": state})
    assert answer.startswith("https://a.example/cb?state=")
    assert all(33 <= ord(char) < 127 and char not in '#"<>\\' for char in answer)
