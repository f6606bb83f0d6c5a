"""A body that was read before, by the debug toolbar or a tween, is read again."""

from __future__ import annotations

import io

import pytest
from pyramid.request import Request

from pyramid_oauthguard.server.http.parameters import read_body

FORM = b"grant_type=client_credentials&scope=read"


def build_request() -> Request:
    environ = {"wsgi.input": io.BytesIO(FORM), "CONTENT_LENGTH": str(len(FORM))}
    request: Request = Request.blank("/oauth/token", environ=environ, method="POST")
    request.content_type = "application/x-www-form-urlencoded"
    return request


@pytest.mark.parametrize(
    "read", [lambda _request: None, lambda request: request.POST, lambda request: request.body_file_seekable.read()]
)
def test_it_is_read_again(read) -> None:
    request = build_request()
    read(request)
    assert read_body(request).values == {"grant_type": "client_credentials", "scope": "read"}
