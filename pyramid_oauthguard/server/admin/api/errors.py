"""Why a call is refused. The answer has the error and a description; neither contains anything of the token."""

from __future__ import annotations

from typing import Final

from ...http.errors import OAuth2Error

__all__ = [
    "CrossSiteCallError",
    "NotAdministratorError",
    "NotFoundError",
    "SignInRequiredError",
    "TokenRefusedError",
    "VersionRequiredError",
    "WrongScopeError",
]

_CHALLENGE: Final = 'Bearer realm="oauth administration"'


class TokenRefusedError(OAuth2Error):
    """RFC 6750 section 3.1."""

    error = "invalid_token"
    description = "A valid access token of this server is required."
    status_code = 401

    def __init__(self, *, sent: bool) -> None:
        super().__init__()
        self.challenge = f'{_CHALLENGE}, error="invalid_token"' if sent else _CHALLENGE


class WrongScopeError(OAuth2Error):
    """The scope is not named: it is not advertised."""

    error = "insufficient_scope"
    description = "The token does not have the scope of the administration."
    status_code = 403


class NotAdministratorError(OAuth2Error):
    """The settings do not name the caller."""

    error = "not_administrator"
    description = "The settings do not name this user, or this client, as an administrator."
    status_code = 403


class SignInRequiredError(OAuth2Error):
    """A user has to sign in again, and a client can't."""

    error = "sign_in_required"
    description = "This change needs the token of a user who signed in at most five minutes ago."
    status_code = 403


class CrossSiteCallError(OAuth2Error):
    """A page of another site made a browser send the request."""

    error = "cross_site"
    description = "Pages of other sites may not call this."
    status_code = 403


class NotFoundError(OAuth2Error):
    """There is no such client, grant or secret."""

    error = "not_found"
    description = "There is nothing with this identifier."
    status_code = 404


class VersionRequiredError(OAuth2Error):
    """RFC 6585 section 3."""

    error = "version_required"
    description = "Send the ETag of the client that you have read as If-Match."
    status_code = 428
