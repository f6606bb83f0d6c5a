"""Encoded answers: decoded within the limit, whatever they grow to."""

from __future__ import annotations

import functools
import gzip
import json
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.fetch import Extras, Fetcher
from pyramid_oauthguard.urls import as_origin

#: Without the time of day: all processes of a run must see the same parameters.
as_gzip = functools.partial(gzip.compress, mtime=0)
BODY = json.dumps({"keys": ["k" * 50] * 20}).encode()


def deflate_bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


class Site:
    """Answers everything with `answer`: headers and body. `headers` are those of the requests."""

    def __init__(self) -> None:
        self.answer: tuple[dict[str, str], bytes] = ({}, b"{}")
        self.headers: list[Any] = []
        self.url = ""


@pytest.fixture(scope="module")
def served() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            site.headers.append(self.headers)
            headers, body = site.answer
            self.send_response(200)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  # the name http.server looks for

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name for it
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        site.url = f"http://127.0.0.1:{server.server_port}/"
        yield site
        server.shutdown()


@pytest.fixture
def site(served: Site) -> Site:
    served.headers.clear()
    return served


@contextmanager
def refused(reason: str) -> Iterator[None]:
    with pytest.raises(UnavailableError) as caught:
        yield
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", as_gzip(BODY)),
        ("x-gzip", as_gzip(BODY)),
        ("GZIP", as_gzip(BODY[:100]) + as_gzip(BODY[100:]) + b"\0\0"),
        ("deflate", zlib.compress(BODY)),
        ("deflate", deflate_bare(BODY)),
        ("identity", BODY),
        ("", BODY),
    ],
)
def test_what_was_asked_for_is_decoded(site, encoding, body):
    site.answer = ({"Content-Encoding": encoding}, body)
    assert Fetcher().get(site.url).body == json.loads(BODY)
    assert Fetcher().post(site.url, {}).body == json.loads(BODY)
    asked = [headers["Accept-Encoding"] for headers in site.headers]
    assert asked == ["gzip, deflate", "identity"], "an answer about a token is short"


@pytest.mark.slow
@pytest.mark.promise("GD-44")
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_the_decoded_size_has_a_limit(site, encoding):
    most = 10_000
    for size, good in ((most, True), (most + 1, False), (50_000_000, False)):
        text = b'{"a":"' + b"x" * (size - 8) + b'"}'
        site.answer = (
            {"Content-Encoding": encoding},
            as_gzip(text) if encoding == "gzip" else zlib.compress(text),
        )
        if good:
            assert len(Fetcher(max_bytes=most).get(site.url).body["a"]) == size - 8
        else:
            with refused("too_large"):
                Fetcher(max_bytes=60_000 if size > 1_000_000 else most).get(site.url)


@pytest.mark.promise("GD-44")
def test_many_small_parts_are_bounded_too(site):
    site.answer = ({"Content-Encoding": "gzip"}, as_gzip(b"") * 1000 + as_gzip(b"x" * 20_000))
    with refused("too_large"):
        Fetcher(max_bytes=5_000).get(site.url)  # the bytes as they came
    with refused("too_large"):
        Fetcher(max_bytes=21_000 - 1_001).get(site.url)


@pytest.mark.promise("GD-44")
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", BODY),
        ("gzip, gzip", as_gzip(as_gzip(BODY))),
        ("gzip", BODY),
        ("gzip", as_gzip(BODY)[:-9]),
        ("gzip", as_gzip(BODY)[:-1] + b"\1"),
        ("gzip", as_gzip(BODY) + b"rest"),
        ("deflate", zlib.compress(BODY)[:-5]),
        ("deflate", b"\x78"),
    ],
)
def test_what_cannot_be_decoded_is_refused(site, encoding, body):
    site.answer = ({"Content-Encoding": encoding}, body)
    with refused("encoded"):
        Fetcher().get(site.url)


# ── additional headers ──────────────────────────────────────────────────────────────────────────────────────────────


def test_who_asks(site):
    site.answer = ({}, b"{}")
    Fetcher().get(site.url)
    Fetcher().post(site.url, {})
    assert {headers["User-Agent"].partition("/")[0] for headers in site.headers} == {"pyramid_oauthguard"}


@pytest.mark.promise("GD-26")
def test_additional_headers_go_to_the_origins_of_the_settings_only(site, tmp_path):
    site.answer = ({}, b"{}")
    file = tmp_path / "token"
    file.write_text("first\n")
    extras = Extras(frozenset({as_origin(site.url)}), {"X-Api-Key": "k3y"}, str(file))
    assert "k3y" not in repr(extras)
    fetcher = Fetcher(extras=extras)
    fetcher.get(site.url)
    file.write_text("second\n")
    fetcher.get(site.url + "other")
    fetcher.post(site.url, {"token": "t"}, {"Authorization": "Basic x"})
    assert [(headers["X-Api-Key"], headers["Authorization"]) for headers in site.headers] == [
        ("k3y", "Bearer first"), ("k3y", "Bearer second"), ("k3y", "Basic x"),
    ]  # fmt: skip
    site.headers.clear()
    elsewhere = Fetcher(extras=Extras(frozenset({as_origin("https://a.test")}), {"X-Api-Key": "k3y"}, str(file)))
    elsewhere.get(site.url)
    elsewhere.post(site.url, {})
    assert not [headers for headers in site.headers if "X-Api-Key" in headers or "Authorization" in headers]


@pytest.mark.promise("GD-33")
@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://a.test/x", True),
        ("http://a.test/x", False),
        ("https://a.test:8443/x", False),
        ("http://127.0.0.1/x", True),
    ],
)
def test_additional_headers_need_tls(url, allowed):
    """A host that may be asked without TLS does not get them: others could read them on the way."""
    origins = frozenset(map(as_origin, ("https://a.test", "http://a.test", "http://127.0.0.1")))
    assert Extras(origins, {"X": "y"}).allows(url) is allowed


@pytest.mark.parametrize("content", [None, "", "two words", "nul\0", "é"])
def test_a_token_file_without_a_token_is_an_outage_and_not_a_request(site, tmp_path, content):
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    fetcher = Fetcher(extras=Extras(frozenset({as_origin(site.url)}), {}, str(file)))
    with refused("bad_token_file"):
        fetcher.get(site.url)
    assert site.headers == []
