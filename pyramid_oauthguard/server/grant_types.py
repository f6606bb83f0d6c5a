"""Names of grants and scopes, and the error for one that cannot be registered."""

from __future__ import annotations

import re

from ..errors import OAuthGuardError

__all__ = ["DEVICE_CODE", "OWNED_GRANTS", "USER_GRANTS", "RegistrationError", "as_grant", "check_scope"]

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
USER_GRANTS = frozenset({"authorization_code", DEVICE_CODE})
OWNED_GRANTS = USER_GRANTS | {"refresh_token"}  # what there is only where the application knows users
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 appendix A.4


class RegistrationError(OAuthGuardError):
    """A client can't be registered or changed like this; ``argument`` and ``problem`` say why."""

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__("registration")
        self.argument = argument
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.argument}: {self.problem}"


def as_grant(name: str) -> str:
    """RFC names as they are, ``device_code`` as RFC 8628's URN."""
    return DEVICE_CODE if name == "device_code" else name


def check_scope(scope: str) -> None:
    """RegistrationError unless ``scope`` is a scope-token (RFC 6749 section 3.3)."""
    if not _SCOPE.fullmatch(scope):
        raise RegistrationError("scopes", f"{scope!r} is not a scope")
