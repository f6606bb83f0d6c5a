"""One attempt at a code grant: the request that the browser sends, and the answer that belongs to it."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs

from ...exit_status import REFUSED
from ..errors import CommandError, DeniedError, RefusedError
from ..session import OAuthSession
from ..text import shorten
from ..tokens import Tokens, is_token
from ..transport import find_advice, name_error

__all__ = ["Attempt", "build_attempt"]

_MOST_FIELDS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The values that this attempt sent and expects in the answer.

    :ivar issuer: what ``iss`` must be (RFC 9207 section 2.4).
    :ivar iss_required: the metadata promises ``iss`` in every answer, so an answer without one is forged.
    :ivar redirect_uri: where the browser is sent, port included.
    """

    issuer: str
    iss_required: bool
    redirect_uri: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)

    def read_answer(self, query: str) -> str | None:
        """The code from the query of a redirect; None where the redirect is not of this attempt.

        A caller who does not know the state can't end the attempt or add an error to it (RFC 8252 section 8.9).

        :raises CommandError: the user denied, the server refused, or the answer is another issuer's.
        """
        fields = _parse(query)
        if not self._is_ours(fields.get("state", [])) or not fields.keys() & {"code", "error"}:
            return None
        self._check_issuer(fields.get("iss", []))
        if "error" in fields:
            raise _describe(fields)
        codes = fields.get("code", [])
        if len(codes) != 1 or not is_token(codes[0]):
            raise CommandError(REFUSED, "the server sent the browser back without one usable code", "try again")
        return codes[0]

    def redeem(self, session: OAuthSession, code: str) -> Tokens:
        """The tokens for ``code``."""
        return session.redeem_code(code, redirect_uri=self.redirect_uri, verifier=self.verifier)

    def build_url(self, session: OAuthSession, extra: Mapping[str, str]) -> str:
        """The URL that the browser opens."""
        return session.build_authorization_url(
            redirect_uri=self.redirect_uri, state=self.state, verifier=self.verifier, extra=extra
        )

    def _is_ours(self, states: list[str]) -> bool:
        return len(states) == 1 and hmac.compare_digest(states[0].encode("utf-8", "replace"), self.state.encode())

    def _check_issuer(self, issuers: list[str]) -> None:
        if issuers != [self.issuer] and (issuers or self.iss_required):
            text = "the answer in the browser does not come from the issuer that was asked"
            raise CommandError(REFUSED, text, "another server may have sent it: close the browser and try again")


def build_attempt(session: OAuthSession, redirect_uri: str) -> Attempt:
    """A new attempt: a state and a verifier of 256 bits each (RFC 7636 section 7.1)."""
    return Attempt(
        issuer=session.metadata.issuer,
        iss_required=session.metadata.document.get("authorization_response_iss_parameter_supported") is True,
        redirect_uri=redirect_uri,
        state=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(32),
    )


def _parse(query: str) -> dict[str, list[str]]:
    try:
        return parse_qs(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}


def _describe(fields: Mapping[str, list[str]]) -> CommandError:
    code, description = fields["error"][0], fields.get("error_description", [None])[0]
    if code == "access_denied":
        return DeniedError("access was denied in the browser", shorten(description or ""))
    text = f"the authorization endpoint answered {name_error(code, description)}"
    return RefusedError(code, text, find_advice(code))
