"""What an issuer says about itself, and every URL in it."""

from __future__ import annotations

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.discovery import fetch_metadata
from pyramid_oauthguard.fetch import Answer
from pyramid_oauthguard.strict_json import parse_object
from pyramid_oauthguard.urls import as_origin, is_loopback

from ..source import Source

ISSUERS = ("https://issuer.example", "https://issuer.example/realms/a", "http://localhost:8080", "http://[::1]")
NAMES = ("issuer", "jwks_uri", "introspection_endpoint", "token_endpoint", "keys", *ISSUERS, "http://10.0.0.1/jwks")


class _Fetcher:
    def __init__(self, source: Source) -> None:
        self._source = source

    def get(self, _url: str) -> Answer:
        source = self._source
        if source.take_byte() == 255:
            raise UnavailableError("unreachable")
        status = source.choose((200, 200, 200, 404, 500, 301, 429))
        if source.take_byte() % 2:
            try:
                return Answer(status, {}, parse_object(source.take_bytes()))
            except ValueError:
                return Answer(status, {"date": source.take_text()}, {})
        return Answer(status, {"date": source.take_text()}, source.take_object(NAMES))


def run(data: bytes) -> None:
    """Nothing but an UnavailableError, and no endpoint over plain http unless the issuer is at such a URL itself."""
    source = Source(data)
    issuer = source.choose(ISSUERS)
    try:
        metadata = fetch_metadata(_Fetcher(source), issuer)  # type: ignore[arg-type]
        _ = metadata.date
        urls = [metadata.find_endpoint(name) for name in ("jwks_uri", "introspection_endpoint", "token_endpoint")]
    except UnavailableError:
        return
    assert metadata.document["issuer"] == issuer
    for url in filter(None, urls):
        origin = as_origin(url)
        assert origin.scheme == "https" or issuer.startswith("http:"), url
        assert not is_loopback(origin.host) or is_loopback(as_origin(issuer).host), url
