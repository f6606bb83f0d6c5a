"""The secret that an authorization server gave to this command when the command registered itself (RFC 7591 section 3.2.1)."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .members import as_seconds
from .recipients import Credential

__all__ = ["SECRET_METHODS", "IssuedSecret", "read_issued_secret"]

#: Methods by which a client sends its secret (RFC 6749 section 2.3.1), the preferred one first.
SECRET_METHODS: Final = ("client_secret_basic", "client_secret_post")
_SECRET: Final = re.compile(r"[\x20-\x7e]+")  # RFC 6749 appendix A.2


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedSecret:
    """A client secret that belongs to one issuer.

    :ivar expires_at: seconds since the epoch; None if it does not expire.
    """

    text: str = field(repr=False)
    issuer: str
    expires_at: float | None = None

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= time.time()

    @property
    def credential(self) -> Credential:
        """The secret, for its issuer alone."""
        return Credential(
            text=self.text, name="the client secret", place="the registration endpoint", issuer=self.issuer
        )


def read_issued_secret(document: Mapping[str, Any], issuer: str) -> IssuedSecret | None:
    """The secret in the answer of a registration endpoint, or in what was stored of it; None if it contains no usable one."""
    text = document.get("client_secret")
    if not isinstance(text, str) or not _SECRET.fullmatch(text):
        return None
    # 0 means that it does not expire. A wrong type counts as 0: the server refuses a secret that has expired.
    return IssuedSecret(text=text, issuer=issuer, expires_at=as_seconds(document.get("client_secret_expires_at")))
