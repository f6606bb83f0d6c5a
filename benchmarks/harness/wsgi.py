"""The application of every subject made with Pyramid, and requests to it without a server. Needs Pyramid alone."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any, Final

from pyramid.authorization import ACLHelper, Allow, Authenticated, Everyone
from pyramid.config import Configurator

__all__ = ["CUSTOMERS", "NoopPolicy", "WSGIApplication", "add_view", "build", "find_status", "prepare"]

#: What every view answers with.
CUSTOMERS: Final[Mapping[str, Any]] = {"customers": [{"id": 1, "name": "Ada", "balance": "12.50"}]}
#: Who the bearer of the usual token is to an ACL.
_PRINCIPALS: Final = frozenset(
    {Everyone, Authenticated, "scope:customer_api", "scope:read:messages", "client:test-client", "user:test-user"}
)

WSGIApplication = Callable[..., Any]


class _Resource:
    __acl__ = ((Allow, "scope:customer_api", "read"),)

    def __init__(self, _request: Any) -> None: ...


class NoopPolicy:
    """Knows without looking who calls, and asks the ACL."""

    def __init__(self) -> None:
        self._acl = ACLHelper()

    def identity(self, _request: Any) -> None:
        return None

    authenticated_userid = identity

    def permits(self, _request: Any, context: Any, permission: str) -> Any:
        return self._acl.permits(context, _PRINCIPALS, permission)


def add_view(config: Any, path: str = "/customers", **options: Any) -> None:
    """The one view, which takes ``options``, at ``path``."""
    config.add_route(path, path, factory=_Resource)
    config.add_view(lambda _request: CUSTOMERS, route_name=path, renderer="json", **options)


def build(policy: Any = None) -> WSGIApplication:
    """The view without a permission, or under ``policy`` with the ACL."""
    config = Configurator()
    if policy is not None:
        config.set_security_policy(policy)
    add_view(config, permission=None if policy is None else "read")
    return config.make_wsgi_app()  # type: ignore[no-any-return]


def prepare(application: WSGIApplication, tokens: list[str]) -> Callable[[], None]:
    """One request to ``application`` each time it is called, its token the next one in turn.

    The header is a new string each time, as it is when a server read it from a socket.
    """
    headers = [b"Bearer " + token.encode() for token in tokens]
    base = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/customers", "QUERY_STRING": "",
        "SERVER_NAME": "localhost", "SERVER_PORT": "6543", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost:6543", "HTTP_ACCEPT": "*/*", "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(), "wsgi.multithread": True,
        "wsgi.multiprocess": False, "wsgi.run_once": False,
    }  # fmt: skip
    position, last = -1, len(headers) - 1

    def run() -> None:
        nonlocal position
        position = position + 1 if position < last else 0
        environ = base.copy()
        environ["HTTP_AUTHORIZATION"] = headers[position].decode("latin-1")
        for _ in application(environ, _start_response):
            pass

    return run


def _start_response(status: str, _headers: Any, _error: Any = None) -> None:
    if not status.startswith("200"):
        raise AssertionError(f"a request that should be let in was answered with {status}")


def find_status(application: WSGIApplication, token: str) -> int:
    """The status of one request to ``application`` with this token."""
    statuses: list[int] = []

    def run(environ: Any, _start_response: Any) -> Any:
        return application(environ, lambda status, *_rest: statuses.append(int(status.split()[0])))

    prepare(run, [token])()
    return statuses[0]
