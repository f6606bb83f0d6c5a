"""Tokens are looked up by their keyed hash: by that of this server, and then by that of another server that they were imported
from."""

from __future__ import annotations

from hashlib import sha256

from ..hashing import Pepper
from ..opaque import ACCESS_PREFIX, REFRESH_PREFIX
from ..store.contract import Unit
from ..store.records import AccessTokenRecord, RefreshTokenRecord

__all__ = ["find_access_token", "find_refresh_token"]

_OWN = (ACCESS_PREFIX, REFRESH_PREFIX)
#: How the header of every JWT begins, and of one random text among 238,000.
_JWT = "eyJ"


def find_access_token(unit: Unit, pepper: Pepper, text: str) -> AccessTokenRecord | None:
    """The access token with these characters."""
    found = unit.find_access_token(pepper.hash_token(text))
    return found if found is not None or _is_never_imported(text) else unit.find_access_token(_hash(pepper, text))


def find_refresh_token(unit: Unit, pepper: Pepper, text: str) -> RefreshTokenRecord | None:
    """The refresh token with these characters."""
    found = unit.find_refresh_token(pepper.hash_token(text))
    return found if found is not None or _is_never_imported(text) else unit.find_refresh_token(_hash(pepper, text))


def _is_never_imported(text: str) -> bool:
    """Whether it is a token of this server, or a JWT: it is looked up once."""
    return text.startswith(_OWN) or (text.startswith(_JWT) and text.count(".") == 2)


def _hash(pepper: Pepper, text: str) -> bytes:
    return pepper.hash_imported(sha256(text.encode("utf-8", "surrogatepass")).digest())
