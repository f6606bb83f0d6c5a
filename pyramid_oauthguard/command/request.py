"""A request to an API with a token, and what its refusal means (RFC 6750 section 3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import urllib3

from ..client.challenge import find_bearer_challenge
from ..client.errors import CommandError, as_command_error
from ..client.text import shorten
from ..errors import UnavailableError
from ..exit_status import NETWORK, USAGE
from ..outages import name_cause
from ..urls import as_origin, check_url
from .run import Run

__all__ = ["Reply", "explain_challenge", "is_unreadable", "send"]

_TIMEOUT_SECONDS: Final = 30.0
_MOST_BYTES: Final = 64 * 1024 * 1024
_METHOD: Final = re.compile(r"[A-Z]{1,20}")
_STEP_UP: Final = "insufficient_user_authentication"
#: What may be copied into a shell as it is.
_PLAIN: Final = re.compile(r"[\w:.,/ -]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the API answered."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)

    def find(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


def send(run: Run, method: str, url: str, *, token: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
    """Send one request with ``token``; redirects are not followed.

    :raises CommandError: the URL has no TLS and is not this machine's, or there is no answer.
    """
    if not _METHOD.fullmatch(method):
        raise CommandError(USAGE, f"{method!r} is not an HTTP method", "oauthguard call GET URL")
    try:
        check_url(url)
    except ValueError as error:
        raise CommandError(USAGE, f"the URL {error}", "a token is only sent over TLS") from error
    sent = {"Accept": "application/json, */*", **({"Content-Type": "application/json"} if body else {}), **headers}
    run.console.trace_request(method, url, {}, {**sent, "Authorization": f"Bearer {token}"})
    pool = _build_pool(run, url)
    try:
        response = pool.request(
            method,
            url,
            body=body,
            headers={**sent, "Authorization": f"Bearer {token}"},
            redirect=False,
            retries=False,
            preload_content=False,
            timeout=urllib3.Timeout(total=_TIMEOUT_SECONDS),
        )
        data = response.read(_MOST_BYTES)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        way = f" through the proxy {run.proxy.url}" if isinstance(pool, urllib3.ProxyManager) and run.proxy else ""
        unavailable = UnavailableError("unreachable", f"{method} {url}{way}: {name_cause(error)}")
        unavailable.__cause__ = error
        raise as_command_error(unavailable) from error
    finally:
        pool.clear()
    if len(data) >= _MOST_BYTES:
        raise CommandError(NETWORK, f"{url} answered with more than {_MOST_BYTES} bytes")
    return Reply(response.status, response.reason or "", tuple(response.headers.items()), data)


def _build_pool(run: Run, url: str) -> urllib3.PoolManager:
    proxy = run.proxy
    if proxy is None or not proxy.serves(as_origin(url)):
        return urllib3.PoolManager(ssl_context=run.tls)
    return urllib3.ProxyManager(proxy.url, proxy_headers=proxy.headers, ssl_context=run.tls)


def is_unreadable(reply: Reply) -> bool:
    """Whether the API could not read the token (RFC 6750 section 3.1), rather than the rest of the request."""
    found = _find_challenge(reply)
    return reply.status == 400 and found is not None and found.get("error") == "invalid_request"


def explain_challenge(reply: Reply) -> str:
    """What a refusal says about the token."""
    found = _find_challenge(reply)
    if found is None:
        return f"Refused with {reply.status}, without a Bearer challenge: is this API guarded by OAuth tokens at all?"
    words = _EXPLAINED.get(found.get("error", ""), "The API asks for a token and did not accept this one.")
    words += _advise_sign_in(found) if found.get("error") == _STEP_UP else ""
    scope = f" It requires the scope: {shorten(found['scope'])}." if found.get("scope") else ""
    told = f" It says: {shorten(found['error_description'])}" if found.get("error_description") else ""
    return words + scope + told


_EXPLAINED: Final = {
    "invalid_token": "The token is expired, revoked, or not meant for this API (invalid_token); "
    "`oauthguard inspect` and `oauthguard introspect` say which.",
    "insufficient_scope": "The token is good but does not permit this (insufficient_scope); "
    "get another with `oauthguard login --scope …`, if you may.",
    "invalid_request": "The API could not read the Authorization header, so the token has characters that it does not "
    "allow, or a proxy has changed it (invalid_request).",
    _STEP_UP: "The token is good, but its user signed in too long ago, or not in the way that the API requires "
    "(insufficient_user_authentication); sign in again",
}


def _find_challenge(reply: Reply) -> Mapping[str, str] | None:
    return find_bearer_challenge(value for name, value in reply.headers if name.lower() == "www-authenticate")


def _advise_sign_in(found: Mapping[str, str]) -> str:
    """The sign-in that the challenge asks for (RFC 9470 section 3), if its words can be copied into a shell."""
    asked = {name: found[name] for name in ("acr_values", "max_age") if found.get(name)}
    if not asked or not all(map(_PLAIN.fullmatch, asked.values())):
        return "."
    options = " ".join(f"--param '{name}={value}'" for name, value in asked.items())
    return f": `oauthguard login {options}`."
