"""Who signed in and has not signed out: one row each. The cookie names a row, so a copy of the cookie does not work after sign-out."""

from __future__ import annotations

import secrets
import time
from hashlib import sha256
from typing import Final

from pyramid.request import Request
from sqlalchemy import delete

from .models import SignIn, User

__all__ = ["begin", "end", "find_sign_in", "leave"]

_KEY: Final = "sign_in"
#: What the session has of the tour: it belongs to the browser, not to a user, and a sign-in is one of its steps.
_KEPT: Final = ("tour_token", "tour_seen", "tour_person")
#: However often the session is used.
_LONGEST_SECONDS: Final = 30 * 86_400


def begin(request: Request, user: User) -> None:
    """Begin a new session for ``user``. The old session is dropped, so that an attacker can't prepare it for them."""
    leave(request)
    now = int(time.time())
    request.db.execute(delete(SignIn).where(SignIn.began_at < now - _LONGEST_SECONDS))
    key = secrets.token_urlsafe(32)
    request.db.add(SignIn(key_hash=_hash(key), user_id=user.id, began_at=now))
    request.session[_KEY] = key


def leave(request: Request) -> None:
    """End the sign-in, in every browser that has its cookie, so that somebody else can sign in. A request that waits for
    the next user stays."""
    kept = {name: request.session[name] for name in _KEPT if name in request.session}
    end(request)
    request.session.update(kept)


def end(request: Request) -> None:
    """End the session, in every browser that has its cookie."""
    key = request.session.get(_KEY)
    if isinstance(key, str):
        request.db.execute(delete(SignIn).where(SignIn.key_hash == _hash(key)))
    request.session.invalidate()


def find_sign_in(request: Request) -> SignIn | None:
    """The row that the session names, or None: never signed in, signed out, or 30 days ago."""
    key = request.session.get(_KEY)
    found: SignIn | None = request.db.get(SignIn, _hash(key)) if isinstance(key, str) else None
    if found is None or found.began_at < time.time() - _LONGEST_SECONDS:
        return None
    return found


def _hash(key: str) -> str:
    """The stored hash: someone who reads only the database can't make a cookie of it."""
    return sha256(key.encode()).hexdigest()
