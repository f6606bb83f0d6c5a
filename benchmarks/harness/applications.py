"""The application under test: one JSON view behind an ACL, guarded or not. Everything but the guard is the same."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any, Final

from pyramid.authorization import ACLHelper, Allow, Authenticated, Everyone
from pyramid.config import Configurator

from pyramid_oauthguard.testing import MemoryIssuer, trust

__all__ = ["ACL", "CLAIMS", "NoopPolicy", "build_guarded", "build_unguarded", "call", "prepare"]

ACL: Final = [(Allow, "scope:customer_api", "read")]
#: Nine claims, with iss, sub, aud, client_id, iat, exp and jti: an RS256 token of about 840 bytes.
CLAIMS: Final[Mapping[str, Any]] = {"scope": "customer_api read:messages", "auth_time": 1_780_000_000}
#: Who the bearer of such a token is to an ACL.
PRINCIPALS: Final = frozenset(
    {Everyone, Authenticated, "scope:customer_api", "scope:read:messages", "client:test-client", "user:test-user"}
)

WSGIApplication = Callable[..., Any]


class _Resource:
    def __init__(self, _request: Any) -> None:
        self.__acl__ = ACL


def view(_request: Any) -> dict[str, Any]:
    """What every application answers with."""
    return {"customers": [{"id": 1, "name": "Ada", "balance": "12.50"}]}


class NoopPolicy:
    """Knows without looking who calls, and asks the ACL."""

    def __init__(self) -> None:
        self._acl = ACLHelper()

    def identity(self, request: Any) -> None:
        return None

    authenticated_userid = identity

    def permits(self, _request: Any, context: Any, permission: str) -> Any:
        return self._acl.permits(context, PRINCIPALS, permission)


def build_unguarded(policy: Any = None) -> WSGIApplication:
    """The view without a permission, or under ``policy`` with the ACL."""
    config = Configurator()
    if policy is not None:
        config.set_security_policy(policy)
    config.add_route("customers", "/customers", factory=_Resource)
    config.add_view(view, route_name="customers", renderer="json", permission=None if policy is None else "read")
    return config.make_wsgi_app()


def build_guarded(settings: Mapping[str, Any], issuer: MemoryIssuer | None = None, **options: Any) -> WSGIApplication:
    """The view under the guard. ``options`` are those of the view, ``token_check="local"`` and the ACL by default."""
    config = Configurator(settings=dict(settings))
    config.include("pyramid_oauthguard")
    config.add_route("customers", "/customers", factory=_Resource)
    options = options or {"token_check": "local", "permission": "read"}
    config.add_view(view, route_name="customers", renderer="json", **options)
    application = config.make_wsgi_app()
    if issuer is not None:
        trust(application, issuer)
    return application


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


def call(application: WSGIApplication, token: str) -> int:
    """The status of one request."""
    statuses: list[str] = []
    run = prepare(lambda environ, _start: application(environ, lambda status, *_rest: statuses.append(status)), [token])
    run()
    return int(statuses[0].split()[0])


def _start_response(status: str, _headers: Any, _error: Any = None) -> None:
    if not status.startswith("200"):
        raise AssertionError(f"a request that should be let in was answered with {status}")
