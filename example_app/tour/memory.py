"""What the session remembers of the tour: one token and four short lists. It can't grow."""

from __future__ import annotations

import time
from typing import Any, Final

from pyramid.request import Request

__all__ = ["find_seen", "find_token", "forget", "remember", "remember_statuses"]

_TOKEN: Final = "tour_token"  # noqa: S105  # the name of a member
_SEEN: Final = "tour_seen"
#: The session is a cookie of at most 4 KiB. Tokens of the demo have about 700 characters.
_MOST_CHARACTERS: Final = 1_500
_LISTS: Final = frozenset({"token", "calls", "revoke", "again", "scope"})
_MOST_STATUSES: Final = 3


def remember(request: Request, token: str, lifetime: Any) -> bool:
    """Keep a token until it expires, in place of any other; False if it is too long to keep."""
    forget(request)
    if len(token) > _MOST_CHARACTERS or not isinstance(lifetime, int):
        return False
    request.session[_TOKEN] = [token, int(time.time()) + lifetime]
    return True


def find_token(request: Request) -> str | None:
    """The token that was kept, unless it has expired: then it is dropped."""
    kept = request.session.get(_TOKEN)
    if isinstance(kept, list) and len(kept) == 2 and kept[1] > time.time():
        return str(kept[0])
    request.session.pop(_TOKEN, None)
    return None


def forget(request: Request) -> None:
    """Drop the token and the statuses."""
    request.session.pop(_TOKEN, None)
    request.session.pop(_SEEN, None)


def remember_statuses(request: Request, step: str, statuses: list[int]) -> None:
    """Keep the statuses of a step's answers, to show them beside its button later."""
    if step in _LISTS:
        request.session[_SEEN] = {**find_seen(request), step: statuses[:_MOST_STATUSES]}


def find_seen(request: Request) -> dict[str, list[int]]:
    """The statuses of each step that was taken."""
    seen = request.session.get(_SEEN)
    return seen if isinstance(seen, dict) else {}
