"""``request.access_token``, on the requests of the application and on those that a view makes by hand."""

from __future__ import annotations

import functools
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.interfaces import IRequestFactory
from pyramid.request import Request

from ..access_token import AccessToken
from .state import require_guard

__all__ = ["GuardedRequest", "add_request_attribute", "extend_request", "fetch_access_token", "makes_guarded"]

#: After the application had its chance to set a request factory.
_LAST: Final = 1_000


def fetch_access_token(request: Request) -> AccessToken | None:
    """The verified access token of the request, as the strictest check so far sees it, or None."""
    return require_guard(request).authenticator.fetch_token(request)


class GuardedRequest:
    """What the guard adds to a request class.

    ``config.add_request_method(property=True)`` would make a new class for every request, which costs as much
    as half a request.
    """

    access_token = property(fetch_access_token)

    @property
    def invoke_subrequest(self) -> Any:
        """Pyramid's own. What a view makes with ``Request.blank`` comes from no factory, so it is extended on the way."""
        invoke = self.__dict__["invoke_subrequest"]

        def invoke_extended(request: Request, use_tweens: bool = False) -> Any:
            return invoke(extend_request(request), use_tweens=use_tweens)

        return invoke_extended

    @invoke_subrequest.setter
    def invoke_subrequest(self, invoke: Any) -> None:  # the router sets it on each request
        self.__dict__["invoke_subrequest"] = invoke


def add_request_attribute(config: Configurator) -> None:
    """Make ``request.access_token`` known, by one subclass of the application's request class."""
    registry = config.registry

    def register() -> None:
        factory = registry.queryUtility(IRequestFactory) or Request
        if not makes_guarded(factory):
            extended = _extend(factory) if isinstance(factory, type) else _ExtendingFactory(factory)
            registry.registerUtility(extended, IRequestFactory)

    config.action(("oauthguard", "request"), register, order=_LAST)


def makes_guarded(factory: Any) -> bool:
    """Whether the requests of a request factory know their access token."""
    return isinstance(factory, _ExtendingFactory) or (isinstance(factory, type) and issubclass(factory, GuardedRequest))


def extend_request(request: Request) -> Any:
    """Give a request that comes from no factory of ours the attribute, such as one that a script hands to the router."""
    if not isinstance(request, GuardedRequest):
        request.__class__ = _extend(request.__class__)
    return request


class _ExtendingFactory:
    """A request factory that is not a class, and what the guard adds to its requests."""

    def __init__(self, factory: Any) -> None:
        self._factory = factory

    def __call__(self, environ: Any) -> Any:
        return extend_request(self._factory(environ))

    def blank(self, *args: Any, **kwargs: Any) -> Any:
        """As scripts and tests make requests."""
        return extend_request(self._factory.blank(*args, **kwargs))


@functools.lru_cache(maxsize=16)
def _extend(kind: type) -> type:
    return type(kind.__name__, (GuardedRequest, kind), {"__module__": kind.__module__})
