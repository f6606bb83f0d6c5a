"""PKCE (RFC 7636) as RFC 9700 section 2.1.1 requires: with S256, for every client, checked when the code is
requested."""

from __future__ import annotations

import re
from typing import Any, Final

from authlib.oauth2.rfc7636 import CodeChallenge

from ..clients.redirect_uris import leaves_device
from ..http.errors import InvalidGrantError, InvalidRequestError
from ..settings import ServerSettings
from ..store.records import Client

__all__ = ["METHOD", "S256Challenge", "is_required"]

METHOD: Final = "S256"
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # a SHA-256 in base64url, RFC 7636 section 4.2


class S256Challenge(CodeChallenge):
    """Authlib's extension, which by itself accepts clients without a challenge, and the method ``plain``.

    Its check of the verifier at the token endpoint is kept: a challenge requires a verifier, and a verifier a
    challenge.
    """

    DEFAULT_CODE_CHALLENGE_METHOD = METHOD
    SUPPORTED_CODE_CHALLENGE_METHOD = (METHOD,)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        request = grant.request
        challenge, method = (request.form.get(name) for name in ("code_challenge", "code_challenge_method"))
        # Authlib's argument is None where this is called.
        goal = grant.validate_authorization_redirect_uri(request, request.client)
        required = is_required(request.client.record, grant.server.service.settings, goal)
        if challenge is None and method is None and not required:
            return
        if challenge is None:
            raise InvalidRequestError("The parameter code_challenge is missing: PKCE is required.")
        if method != METHOD:  # a missing method means plain, RFC 7636 section 4.3
            raise InvalidRequestError("The parameter code_challenge_method must be S256.")
        if not _CHALLENGE.fullmatch(challenge):
            raise InvalidRequestError("The parameter code_challenge is malformed.")

    def validate_code_verifier(self, grant: Any, result: Any) -> None:
        try:
            super().validate_code_verifier(grant, result)
        except InvalidGrantError:
            raise InvalidGrantError("The parameter code_verifier does not fit the code's challenge.") from None


def is_required(client: Client, settings: ServerSettings, redirect_uri: str) -> bool:
    """Whether a client must use PKCE. Public clients must (RFC 9700 section 2.1.1), and so must those that registered themselves,
    and every client if the answer stays on the user's device."""
    if client.public or client.is_self_registered or not leaves_device(redirect_uri):
        return True
    return settings.require_pkce if client.require_pkce is None else client.require_pkce
