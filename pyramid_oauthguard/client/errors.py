"""Errors that end a run of the command, each with its exit status."""

from __future__ import annotations

from typing import Final

from ..errors import OAuthGuardError, UnavailableError
from ..exit_status import DENIED, NETWORK, REFUSED, find_exit_status

__all__ = [
    "CommandError",
    "DamagedTokensError",
    "DeniedError",
    "RefusedError",
    "UnusableTokensError",
    "as_command_error",
]


class CommandError(OAuthGuardError):
    """One line for the user: what was tried, the result and what to do; and an exit status for a script.

    :ivar exit_status: one of the constants of :mod:`pyramid_oauthguard.exit_status`.
    :ivar text: what was tried and what came back. May contain text of the other side: the console escapes it.
    :ivar advice: what to do about it, or empty.
    """

    def __init__(self, exit_status: int, text: str, advice: str = "") -> None:
        super().__init__("command")
        self.exit_status = exit_status
        self.text = text
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.text}; {self.advice}" if self.advice else self.text


class DamagedTokensError(CommandError):
    """What is stored for a login is not what this command stored, or belongs to another client."""


class DeniedError(CommandError):
    """The server says that the user denied the request (``access_denied``).

    Some servers answer so, too, where they do not allow this client, user or API. Then only their own words say why.

    :ivar told: what the server says about it, or empty.
    """

    def __init__(self, text: str, told: str = "") -> None:
        super().__init__(DENIED, text)
        self.told = told


class RefusedError(CommandError):
    """The server answered with an error response (RFC 6749 section 5.2).

    :ivar code: its ``error``.
    :ivar description: its ``error_description``, or None.
    """

    def __init__(self, code: str, text: str, advice: str = "", *, description: str | None = None) -> None:
        super().__init__(REFUSED, text, advice)
        self.code = code
        self.description = description


class UnusableTokensError(CommandError):
    """The token endpoint answered with tokens that can't be used.

    :ivar refresh_token: the one in the answer, which may have replaced the one that was sent; None where there is none.
    """

    def __init__(self, text: str, advice: str = "", *, refresh_token: str | None = None) -> None:
        super().__init__(NETWORK, text, advice)
        self.refresh_token = refresh_token


def as_command_error(error: UnavailableError) -> CommandError:
    """``error`` as a line with advice. The advice depends on the exception that caused it, if there is one."""
    status, detail = find_exit_status(error), error.detail or error.reason
    import ssl  # not for --help

    cause = _find_cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        advice = _CERTIFICATES.get(
            cause.verify_code, "if your own authority signed it, name the authority with --ca-file or SSL_CERT_FILE"
        )
        return CommandError(status, f"{detail}: the certificate is not accepted", advice)
    if isinstance(cause, ssl.SSLError):
        return CommandError(status, f"{detail}: no TLS connection", "is this an https port?")
    if isinstance(cause, ConnectionRefusedError):
        return CommandError(status, f"{detail}: nothing listens there", "is the server running?")
    if error.reason == "unreachable" and " answered " in detail:  # with 429 or 5xx: address and network are right
        return CommandError(status, detail, "try again later")
    return CommandError(status, detail, _ADVICE.get(error.reason, ""))


#: Where an authority does not help, by OpenSSL's code of the failure.
_CERTIFICATES: Final = {
    9: "it is for a later time: is the clock of this machine right?",
    10: "it has expired: who runs the server must renew it, or the clock of this machine is wrong",
    **dict.fromkeys((62, 64), "it is for another host: is the address right?"),
}
_ADVICE: Final = {
    "other_issuer": "use the issuer exactly as the server writes it, trailing slash included",
    "no_metadata": "check the issuer; it must publish RFC 8414 or OpenID discovery metadata",
    "unreachable": "check the address and the network",
    "not_json": "is this the address of an OAuth server?",
    "redirected": "use the address it redirects to, if you trust it",
}


def _find_cause(error: BaseException) -> BaseException | None:
    """The innermost exception: the libraries wrap the operating system's several times."""
    seen: BaseException | None = error
    for _ in range(12):
        inner = getattr(seen, "reason", None)
        under = inner if isinstance(inner, BaseException) else getattr(seen, "__cause__", None)
        under = under or getattr(seen, "__context__", None) or _first_argument(seen)
        if under is None:
            return seen
        seen = under
    return seen


def _first_argument(error: BaseException | None) -> BaseException | None:
    # urllib3 carries the operating system's exception as an argument in places.
    return next((arg for arg in getattr(error, "args", ()) if isinstance(arg, BaseException)), None)
