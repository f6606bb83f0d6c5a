"""Who can sign in: look-up, passwords (argon2id), and who is signed in now."""

from __future__ import annotations

from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from pyramid.request import Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from .models import User
from .sign_ins import find_sign_in

__all__ = ["authenticate_user", "find_sign_in_time", "find_signed_in", "hash_password"]

_HASHER: Final = PasswordHasher()
_MAX_PASSWORD_CHARACTERS: Final = 1000


def hash_password(password: str) -> str:
    """The argon2id hash of ``password``, with its salt and parameters."""
    return _HASHER.hash(password)


# What an unknown name is checked against, so that it takes as long as a known one.
_UNKNOWN_USER_HASH: Final = hash_password("unknown user")


def authenticate_user(db: Session, name: str, password: str) -> User | None:
    """The user with this name and password, or None. Takes the same time whether there is such a user or not.

    It does NOT count the attempts.
    """
    user = _find_by_name(db, name)
    fits = _verify(user.password_hash if user else _UNKNOWN_USER_HASH, password)
    return user if fits else None


def find_signed_in(request: Request) -> User | None:
    """The user of this session, or None; also None if the user was removed."""
    found = find_sign_in(request)
    user: User | None = request.db.get(User, found.user_id) if found else None
    return user


def find_sign_in_time(request: Request) -> float | None:
    """When the user of this session signed in, in seconds since the epoch."""
    found = find_sign_in(request)
    return float(found.began_at) if found else None


def _find_by_name(db: Session, name: str) -> User | None:
    # No name has these; PostgreSQL would refuse the very question.
    if not name.isprintable():
        return None
    return db.scalar(select(User).where(User.name == name))


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password[:_MAX_PASSWORD_CHARACTERS].encode("utf-8", "replace"))
    except Argon2Error:
        return False
