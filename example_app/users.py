"""Who can sign in: look-up, passwords (argon2id), and who is signed in now."""

from __future__ import annotations

import time
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from pyramid.request import Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from .models import User

__all__ = ["check_password", "find_sign_in_time", "find_signed_in", "hash_password", "sign_in", "sign_out"]

_HASHER: Final = PasswordHasher()
_MAX_PASSWORD: Final = 1000
_SIGNED_IN: Final = "user"
_SINCE: Final = "since"


def hash_password(password: str) -> str:
    """The argon2id hash of ``password``, with its salt and parameters."""
    return _HASHER.hash(password)


# What an unknown name is checked against, so that it takes as long as a known one.
_NOBODY: Final = hash_password("nobody's")


def check_password(db: Session, name: str, password: str) -> User | None:
    """The user with this name and password, or None. Takes the same time whether there is such a user or not.

    It does NOT count the attempts.
    """
    user = _find_by_name(db, name)
    fits = _verify(user.password_hash if user else _NOBODY, password)
    return user if fits else None


def sign_in(request: Request, user: User) -> None:
    """Begin a new session for ``user``: nothing of the one before is kept, so nobody can prepare it for them."""
    request.session.invalidate()
    request.session[_SIGNED_IN] = user.id
    request.session[_SINCE] = int(time.time())


def sign_out(request: Request) -> None:
    """Forget the session."""
    request.session.invalidate()


def find_signed_in(request: Request) -> User | None:
    """The user of this session, or None; None too when the user was removed since."""
    user_id = request.session.get(_SIGNED_IN)
    user: User | None = request.db.get(User, user_id) if user_id else None
    return user


def find_sign_in_time(request: Request) -> float | None:
    """When the user of this session signed in, in seconds since the epoch."""
    since: float | None = request.session.get(_SINCE)
    return since


def _find_by_name(db: Session, name: str) -> User | None:
    # No name has these; PostgreSQL would refuse the very question.
    if not name.isprintable():
        return None
    return db.scalar(select(User).where(User.name == name))


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password[:_MAX_PASSWORD].encode("utf-8", "replace"))
    except Argon2Error:
        return False
