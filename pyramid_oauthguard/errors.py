"""The errors of pyramid_oauthguard, grouped by the party that caused them.

::

    OAuthGuardError
    ├── TokenError               the caller's fault; becomes a challenge (RFC 6750 section 3)
    │   ├── MissingToken         401, no error code: nothing was presented
    │   ├── InvalidRequest       400 invalid_request: presented in a way we can't read
    │   ├── InvalidToken         401 invalid_token: bad, expired, foreign or revoked
    │   ├── InsufficientUserAuthentication   401: the user must sign in again or in another way (RFC 9470)
    │   └── InsufficientScope    403 insufficient_scope: good, but not enough
    ├── UnavailableError         the issuer's fault or ours; becomes 503 and Retry-After
    └── SettingError             the deployer's fault; stops start-up

Every error carries a ``reason``: a short fixed word for logs, events and metrics. Neither the reason nor
the text of an error ever holds a token, a code or a secret.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .locations import describe_call, find_call, find_setting, write_last_line

__all__ = [
    "CoolingError",
    "InsufficientScope",
    "InsufficientUserAuthentication",
    "InvalidRequest",
    "InvalidToken",
    "MissingToken",
    "OAuthGuardError",
    "SettingError",
    "TokenError",
    "UnavailableError",
]


class OAuthGuardError(Exception):
    """Base of everything this distribution raises on purpose.

    ``reason`` is a machine-readable word such as ``"expired"``; it is fixed by the code that raises, never
    taken from a request.

    :ivar issuer_name: the name in the settings of the issuer whose token is refused; None if it has none, or is not known.
    """

    status: ClassVar[int] = 500
    reason: str
    issuer_name: str | None = None

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TokenError(OAuthGuardError):
    """The caller's credentials are missing or not good enough.

    ``status`` is the HTTP status, ``code`` the ``error`` of RFC 6750 section 3.1 (None where the RFC wants
    none) and ``description`` a fixed sentence that reveals nothing about the token or the issuer.
    ``scopes`` are the scopes that a token needs here, for the challenge; empty where they are not known.
    """

    scopes: tuple[str, ...] = ()
    status: ClassVar[int] = 401
    code: ClassVar[str | None] = None
    description: ClassVar[str] = "An access token is required."


class MissingToken(TokenError):
    """No bearer token was presented (401 with a bare challenge, RFC 6750 section 3)."""

    def __init__(self, reason: str = "missing_token") -> None:
        super().__init__(reason)


class InvalidRequest(TokenError):
    """The Authorization header can't be read as one bearer token (400, RFC 6750 section 3.1)."""

    status = 400
    code = "invalid_request"
    description = "The Authorization header must carry exactly one well-formed bearer token."


class InvalidToken(TokenError):
    """The token is malformed, expired, foreign, revoked or not verifiable (401, RFC 6750 section 3.1)."""

    code = "invalid_token"
    description = "The access token is invalid, expired or revoked."


class InsufficientUserAuthentication(TokenError):
    """The token is good, but its user did not sign in as this resource requires (401, RFC 9470 section 3).

    ``acr_values`` are the authentication context classes of which one is required, empty where any will do. ``max_age`` is
    the number of seconds for which a sign-in is recent enough, or None.
    """

    code = "insufficient_user_authentication"
    description = "The user must sign in again, or in another way."

    def __init__(
        self,
        reason: str = "insufficient_user_authentication",
        *,
        acr_values: tuple[str, ...] = (),
        max_age: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.acr_values = acr_values
        self.max_age = max_age


class InsufficientScope(TokenError):
    """The token is good and does not suffice (403, RFC 6750 section 3.1).

    ``scopes`` are the scopes that would have been enough; empty when something other than scope is missing.
    """

    status = 403
    code = "insufficient_scope"
    description = "The access token does not permit this request."

    def __init__(self, reason: str = "insufficient_scope", *, scopes: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.scopes = scopes


class UnavailableError(OAuthGuardError):
    """The issuer or the storage can't be reached or answers nonsense, so it is unknown whether the token is good.

    ``retry_after`` is in seconds. ``detail`` is for logs and for the user of a terminal (it may name a URL of
    the issuer); it never goes into an answer to a client. ``lasting`` is true if trying again does not help: the other
    side answered and will give the same answer until the configuration of one side is changed.
    """

    status = 503

    def __init__(self, reason: str, detail: str = "", *, retry_after: int = 5, lasting: bool = False) -> None:
        super().__init__(reason)
        self.detail = detail
        self.retry_after = retry_after
        self.lasting = lasting

    def repeat(self, detail: str | None = None) -> UnavailableError:
        """A new error with the same content, or with another ``detail``.

        An exception that is raised several times gets longer by a traceback each time, so a kept one is not raised itself.
        """
        detail = self.detail if detail is None else detail
        return UnavailableError(self.reason, detail, retry_after=self.retry_after, lasting=self.lasting)

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class CoolingError(UnavailableError):
    """Not asked at the moment, because it did not answer well a moment ago.

    ``wait`` is the number of seconds until it may be asked again. Another cool-down must not begin on top of it.
    """

    def __init__(self, reason: str, detail: str = "", *, wait: float, lasting: bool = False) -> None:
        super().__init__(reason, detail, retry_after=max(1, math.ceil(wait)), lasting=lasting)
        self.wait = max(wait, 0.0)


class SettingError(OAuthGuardError):
    """A setting or a directive is missing, unknown or wrong.

    ``key`` is the full name of the setting (``oauthguard.issuer``), ``problem`` what is wrong with it and
    ``hint`` what to do. ``place`` is where it was said: the ini file with the line, the call of ``config.include``, of
    ``config.add_view`` or of a directive with file and line; empty where that is not known. A secret's value is never part
    of any of them. Raised inside a configuration action, Pyramid wraps it in a ``ConfigurationExecutionError`` whose
    ``evalue`` it is and whose last line is its text.

    :param at: the call that it is about, as Pyramid's introspection has it (``action_info``); without it, the call for
        which the running code runs.
    """

    def __init__(self, key: str, problem: str, hint: str = "", *, at: Any = None) -> None:
        super().__init__("setting")
        self.key = key
        self.problem = problem
        self.hint = hint
        call = find_call()
        self.place = "" if call is None else _describe(key, at or call)
        write_last_line(call, str(self))

    def __str__(self) -> str:
        text = f"{self.key}: {self.problem}"
        text = f"{text} ({self.hint})" if self.hint else text
        return f"{text} [{self.place}]" if self.place else text


def _describe(key: str, call: Any) -> str:
    file = find_setting(key)
    if ", line " not in file and not key.startswith("oauthguard."):
        file = ""  # the key is not in the file
    return "; ".join(filter(None, (file, describe_call(call))))
