"""One line in the log for each authorization request that ends before the user is asked, with the reason.

The client's developer sees an error code at best, and its user a page. Why it failed, only this server knows.
"""

from __future__ import annotations

import logging
from typing import Final

from pyramid.request import Request

from ..http.errors import OAuth2Error
from ..http.parameters import find_sound
from .request import AuthorizationRequest

__all__ = ["report_error", "report_refusal"]

log = logging.getLogger("pyramid_oauthguard.server")

#: Parameters that tell what was wrong. None of them is a secret.
_SHOWN: Final = ("client_id", "redirect_uri", "scope", "resource", "response_type", "code_challenge_method")
_MOST_CHARS: Final = 200


def report_error(request: Request, error: OAuth2Error) -> None:
    """Log why a request could not be answered with the consent page."""
    told = "the client" if error.redirect_uri else "the user"
    found = find_sound(request.environ.get("QUERY_STRING", ""), _SHOWN)
    sent = ", ".join(f"{name} {value[:_MOST_CHARS]!a}" for name, value in found.items() if value is not None)
    log.info(
        "An authorization request ended before consent: %s (%a); %s was told. It had %s.",
        error.error,
        error.get_error_description(),
        told,
        sent or "no parameter that could be read",
    )


def report_refusal(authorization: AuthorizationRequest) -> None:
    """Log that the application did not let the user approve."""
    text = "An authorization request ended before consent: access_denied (the application refused it); client_id %a"
    log.info(text, authorization.client.client_id)
