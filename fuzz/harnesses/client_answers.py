"""What servers, APIs and browsers answer to the command."""

from __future__ import annotations

import math

from pyramid_oauthguard.client.challenge import find_bearer_challenge
from pyramid_oauthguard.client.text import clean, shorten
from pyramid_oauthguard.client.login.device import as_device_authorization
from pyramid_oauthguard.client.errors import CommandError
from pyramid_oauthguard.client.members import as_seconds
from pyramid_oauthguard.client.tokens import as_tokens

from ..source import Source

NAMES = (
    "access_token",
    "token_type",
    "expires_in",
    "refresh_token",
    "id_token",
    "scope",
    "error",
    "device_code",
    "user_code",
    "verification_uri",
    "verification_uri_complete",
    "interval",
    "https://issuer.example/device",
)


def run(data: bytes) -> None:
    """A value or a CommandError with a text that a terminal can show."""
    source = Source(data)
    body = source.take_object(NAMES)
    for read in (
        lambda: as_tokens(body, issuer="https://issuer.example"),
        lambda: as_device_authorization(body, "https://issuer.example"),
    ):
        try:
            found = read()
        except CommandError as error:
            assert str(error)
            continue
        assert "access_token=" not in repr(found)
    seconds = as_seconds(source.take_json(NAMES))
    assert seconds is None or (seconds > 0 and math.isfinite(seconds))
    text = source.take_text()
    find_bearer_challenge([text, source.take_text()])
    assert "\n" not in clean(text)
    assert "\x1b" not in clean(shorten(text))
