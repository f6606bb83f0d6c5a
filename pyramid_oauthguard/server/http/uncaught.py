"""Answers to errors that the application did not catch, where Pyramid would answer 500: an address that is not UTF-8, and a
limit that was reached.

The guard answers such addresses for applications that have no server. The guard and the server do not import each other: the
second of them to be configured finds the view of the first, and adds none.
"""

from __future__ import annotations

from typing import Any, Final

from pyramid.config import Configurator
from pyramid.exceptions import URLDecodeError
from pyramid.registry import Registry
from pyramid.request import Request

from ...exception_views import add_fallback_view
from .answers import Refuse, build_error
from .limits import TooManyRequestsError

__all__ = ["add_last_resort"]

#: After the views of the application, and after the guard's.
_LAST: Final = 1_001


def add_last_resort(config: Configurator, refuse: Refuse) -> None:
    """Add the views; see :func:`~pyramid_oauthguard.exception_views.add_fallback_view`.

    :param refuse: answers an address that can't be read.
    """
    config.action("oauthguard server last resort", _add_views, args=(config.registry, refuse), order=_LAST)


def _add_views(registry: Registry, refuse: Refuse) -> None:
    def answer_undecodable(_error: Any, request: Request) -> Any:
        return refuse(request, 400, "The address is not valid UTF-8.", ())

    add_fallback_view(registry, URLDecodeError, answer_undecodable)
    add_fallback_view(registry, TooManyRequestsError, _answer_limit)


def _answer_limit(error: Any, _request: Request) -> Any:
    return build_error(error)
