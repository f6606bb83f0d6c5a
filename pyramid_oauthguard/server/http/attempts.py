"""A request that is run again after it was answered: pyramid_retry does that if the application fails later in the request.

What an endpoint stores is committed before it answers. In a second attempt a code would be a code that is used again, and its
grant would end. So the answer of the first attempt is given again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from pyramid.request import Request

__all__ = ["answer_once"]

_ATTEMPT: Final = "retry.attempt"  # pyramid_retry sets it in the environ, which all attempts share
_ANSWER: Final = "oauthguard.answer"


def answer_once(view: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """A view that answers each request once, however often the request is run. An answer 5xx is not kept: it stored nothing.

    Only for views that leave the application's session alone: a new attempt begins with the session as it was.
    """

    @functools.wraps(view)
    def wrapped(request: Request) -> Any:
        if _ATTEMPT not in request.environ:
            return view(request)
        kept = request.environ.get(_ANSWER)
        if kept is not None:
            return kept.copy()
        response = view(request)
        if response.status_int < 500:
            request.environ[_ANSWER] = response.copy()  # what is added to an answer later is of its own attempt
        return response

    return wrapped
