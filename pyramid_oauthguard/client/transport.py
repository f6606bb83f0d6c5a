"""Authlib's OAuth 2.0 client on our own bounded HTTP: no redirects, no endless answers, traces without secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client

from ..errors import UnavailableError
from ..exit_status import NETWORK, USAGE
from ..fetch import Answer, Fetcher, Proxy
from .errors import CommandError, RefusedError, as_command_error
from .reporting import Reporter
from .text import shorten

__all__ = [
    "OAuthTransport",
    "TokenClient",
    "TracingFetcher",
    "check_answer",
    "encode_basic",
    "find_advice",
    "name_error",
]


class TracingFetcher(Fetcher):
    """A Fetcher that reports each request and each answer."""

    def __init__(self, reporter: Reporter, *, timeout: float, ca_file: str | None, proxy: Proxy | None = None) -> None:
        super().__init__(timeout=timeout, ca_file=ca_file, proxy=proxy)
        self._reporter = reporter

    def get(self, url: str) -> Answer:
        self._reporter.trace_request("GET", url, {}, {})
        return self._trace(lambda: super(TracingFetcher, self).get(url))

    def post(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None, *, harmless: bool = False
    ) -> Answer:
        self._reporter.trace_request("POST", url, form, headers or {})
        return self._trace(lambda: super(TracingFetcher, self).post(url, form, headers, harmless=harmless))

    def _trace(self, exchange: Callable[[], Answer]) -> Answer:
        try:
            answer = exchange()
        except UnavailableError as error:
            self._reporter.trace_failure("200 without a JSON object" if error.reason == "not_json" else str(error))
            raise
        self._reporter.trace_answer(answer.status, answer.body)
        return answer


class OAuthTransport:
    """The session of Authlib's client: it has the one method that Authlib calls.

    Not requests': that one follows redirects with the client's secret, has no limit to an answer, reads ``.netrc``,
    and takes a fifth of a second to import.
    """

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    def post(self, url: str, data: Mapping[str, str], headers: Mapping[str, str], auth: ClientAuth) -> OAuthAnswer:
        """POST ``data`` as the client ``auth``. :raises RefusedError: an error response. :raises CommandError: no answer."""
        url, headers, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        form = dict(parse_qsl(body, keep_blank_values=True))
        try:
            answer = self._fetcher.post(url, form, _pick(headers, "Authorization"))
        except UnavailableError as error:
            if error.reason == "not_json":
                return OAuthAnswer(url, 200, None)
            raise as_command_error(error) from error
        check_answer(answer, url)
        return OAuthAnswer(url, answer.status, answer.body)


class OAuthAnswer:
    """A successful answer in the shape that Authlib reads.

    :ivar body: None if it was not a JSON object.
    """

    def __init__(self, url: str, status_code: int, body: Mapping[str, Any] | None) -> None:
        self.url = url
        self.status_code = status_code
        self.body = body

    def require_body(self) -> Mapping[str, Any]:
        """The object. :raises CommandError: there is none."""
        if self.body is None:
            text = f"{self.url} answered {self.status_code} without a JSON object"
            raise CommandError(USAGE, text, "is this the address of an OAuth server?")
        return self.body


class TokenClient(OAuth2Client):
    """Authlib's client, which leaves the answer of the token endpoint to :mod:`.tokens`.

    Its own reading ends with an exception for ``error: null`` and for an ``expires_in`` that ``int`` does not take.
    """

    def parse_response_token(self, resp: OAuthAnswer) -> Mapping[str, Any]:
        return resp.require_body()


def check_answer(answer: Answer, url: str) -> None:
    """Check that an answer is not an error.

    :raises RefusedError: it is an error response (RFC 6749 section 5.2). :raises CommandError: it is another error.
    """
    code = answer.body.get("error")
    # Some servers send "error": null beside the tokens, and some send them with 201.
    refresh_token = answer.body.get("refresh_token")
    if 200 <= answer.status < 300 and (
        "access_token" in answer.body or (refresh_token and isinstance(refresh_token, str))
    ):
        return
    # Some servers refuse with status 200 and an error response.
    if answer.status == 200 and not (isinstance(code, str) and code):
        return
    if answer.is_overloaded:
        wait = answer.headers.get("retry-after", "")
        advice = f"try again in {wait} seconds" if wait.isascii() and wait.isdigit() else "try again later"
        raise CommandError(NETWORK, f"{url} answered {answer.status}", advice)
    if not isinstance(code, str):
        if answer.status in (401, 403):
            raise RefusedError("invalid_client", f"{url} answered {answer.status}", _ADVICE["invalid_client"])
        raise CommandError(NETWORK, f"{url} answered {answer.status} without an OAuth error", "is this address right?")
    told = answer.body.get("error_description")
    description = told if isinstance(told, str) else None
    text = f"{url} answered {answer.status} {name_error(code, description)}"
    raise RefusedError(code, text, find_advice(code), description=description)


def name_error(code: str, description: str | None) -> str:
    """An error response in one line."""
    return shorten(code) if description is None else f"{shorten(code)}: {shorten(description)}"


def find_advice(code: str) -> str:
    """What to do about the error ``code`` of RFC 6749; empty where that is not known."""
    return _ADVICE.get(code, "")


_ADVICE = {
    "invalid_client": "check the client's id and secret, and --auth-method",
    "unauthorized_client": "the client is not registered for this grant",
    "invalid_scope": "ask for scopes that the client is registered for",
    "unsupported_grant_type": "the server does not offer this grant",
    "temporarily_unavailable": "try again later",
    "invalid_grant": "it was used, revoked, expired, or issued to another client",
    "invalid_target": "name the API with --audience or --resource as the server knows it",
}


def encode_basic(client: Any, _method: str, url: str, headers: dict[str, str], body: str) -> tuple[str, Any, str]:
    """HTTP Basic with both halves form-urlencoded first (RFC 6749 section 2.3.1); Authlib leaves that out."""
    import base64

    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret or '')}"
    headers["Authorization"] = f"Basic {base64.b64encode(pair.encode('ascii')).decode('ascii')}"
    return url, headers, body


def _pick(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {name: headers[name]} if name in headers else {}
