"""Secrets that another server has hashed: the formats of django-oauth-toolkit (PBKDF2), doorkeeper and passport (SHA-256).

What is stored is the keyed hash of the foreign hash. At the first correct secret, the hash of this server replaces it.
"""

from __future__ import annotations

import base64
import re
from hashlib import pbkdf2_hmac, sha256
from typing import Final

from ...grant_types import RegistrationError

__all__ = ["digest_secret", "read_secret_hash"]

_MAX_ITERATIONS: Final = 2_000_000  # about a second of work for each attempt
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_PBKDF2: Final = re.compile(r"pbkdf2_sha256\$([1-9][0-9]{0,6})\$([!-#%-~]{1,128})\$([A-Za-z0-9+/]{43}=)")  # 32 bytes


def read_secret_hash(text: str) -> tuple[str, bytes]:
    """How a secret was hashed (for :func:`digest_secret`), and the hash.

    :param text: ``pbkdf2_sha256$iterations$salt$hash`` as Django writes it, or SHA-256 as 64 hexadecimal digits.
    :raises RegistrationError: another format, plain text, or more work than a request may cause.
    """
    if _SHA256.fullmatch(text):
        return "sha256", bytes.fromhex(text)
    found = _PBKDF2.fullmatch(text)
    if found is None or int(found[1]) > _MAX_ITERATIONS:
        problem = (
            f"must be `pbkdf2_sha256$iterations$salt$hash` with at most {_MAX_ITERATIONS} iterations, or SHA-256 as 64 "
            "hexadecimal digits; for a secret in another format, make a new one"
        )
        raise RegistrationError("secret_hash", problem)
    return f"pbkdf2_sha256${found[1]}${found[2]}", base64.b64decode(found[3])


def digest_secret(scheme: str, secret: str) -> bytes:
    """The hash that the other server would have of ``secret``.

    :param scheme: of :func:`read_secret_hash`.
    """
    data = secret.encode("utf-8", "surrogatepass")
    if scheme == "sha256":
        return sha256(data).digest()
    _name, iterations, salt = scheme.split("$")
    return pbkdf2_hmac("sha256", data, salt.encode(), int(iterations))
