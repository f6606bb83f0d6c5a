"""Text of requests and of registrations, read by the authorization server's parsers."""

from __future__ import annotations

from authlib.oauth2.base import OAuth2Error
from pyramid.request import Request

from pyramid_oauthguard.errors import SettingError
from pyramid_oauthguard.server.clients.keys import as_key_set
from pyramid_oauthguard.server.clients import RegistrationError
from pyramid_oauthguard.server.http.parameters import find_sound, read_body, read_query, read_text
from pyramid_oauthguard.server.clients.redirect_uris import build_answer_uri, is_registered
from pyramid_oauthguard.settings import as_bool, as_duration, as_int, as_list, as_url

from ..source import Source

FORM = "application/x-www-form-urlencoded"
REGISTERED = ("https://web.example/cb?tenant=1", "http://127.0.0.1/callback", "com.example:/cb")
KEYS = (
    "keys",
    "kty",
    "RSA",
    "EC",
    "OKP",
    "crv",
    "Ed25519",
    "P-256",
    "n",
    "e",
    "x",
    "y",
    "kid",
    "use",
    "alg",
    "key_ops",
    "AQAB",
)


def run(data: bytes) -> None:
    """OAuth's errors, ValueError or SettingError; nothing else."""
    source = Source(data)
    (_read_requests, _read_uris, _read_key_sets, _read_settings)[source.take_byte() % 4](source)


def _read_requests(source: Source) -> None:
    body, query, kind = source.take_bytes(), source.take_bytes(), source.take_text()
    environ = {"QUERY_STRING": query.decode("latin-1"), "CONTENT_TYPE": kind if source.take_byte() % 2 else FORM}
    request = Request.blank("/oauth/token", method="POST", body=body)
    request.environ.update(environ)
    for read in (lambda: read_body(request), lambda: read_query(request), lambda: read_text(body.decode("latin-1"))):
        try:
            parameters = read()
        except OAuth2Error as error:
            assert str(error).isprintable()
            continue
        assert all(parameters.values.values())
    find_sound(query.decode("latin-1"), ("redirect_uri", "state", "client_id"))


def _read_uris(source: Source) -> None:
    uri = source.take_text()
    if is_registered(uri, REGISTERED):
        assert uri in REGISTERED or uri.startswith("http://127.0.0.1")
        answer = build_answer_uri(uri, {"code": source.take_text(), "state": None})
        assert answer.isprintable()
        assert "\n" not in answer


def _read_key_sets(source: Source) -> None:
    given = source.take_object(KEYS) if source.take_byte() % 2 else source.take_text()
    try:
        as_key_set(given)
    except RegistrationError as error:
        assert str(error)


def _read_settings(source: Source) -> None:
    text = source.take_text()
    for convert in (as_bool, as_int, as_duration, as_list, as_url):
        try:
            convert(text)
        except (ValueError, SettingError):
            continue
