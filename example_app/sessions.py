"""The session of people who sign in: a signed cookie. The API never looks at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPBadRequest, HTTPClientError
from pyramid.request import Request
from pyramid.session import SignedCookieSessionFactory

from pyramid_oauthguard.errors import SettingError
from pyramid_oauthguard.server.request_headers import HeaderTooLongError, check_headers

from .files import read_or_make_key
from .settings import read_example

__all__ = ["HeadersTooLarge"]

_KEY: Final = "example.session_secret_file"
_IDLE_SECONDS: Final = 8 * 3600


class HeadersTooLarge(HTTPClientError):
    """431 (RFC 6585 section 5)."""

    code = 431
    title = "Request Header Fields Too Large"


def includeme(config: Configurator) -> None:
    """``request.session``, signed with the key of ``example.session_secret_file``."""
    path = read_example(config.get_settings()).session_secret_file
    if path is None:
        raise SettingError(_KEY, "is required", "such as %(here)s/var/session.key")
    key = _read_key(Path(path))
    plain, secure = _build_factory(key, secure=False), _build_factory(key, secure=True)

    def open_session(request: Request) -> Any:
        try:
            check_headers(request.environ)  # WebOb takes seconds for some long Cookie headers, and fails at others
        except HeaderTooLongError as error:
            raise (HeadersTooLarge if error.status == 431 else HTTPBadRequest)(str(error)) from None
        return (secure if request.scheme == "https" else plain)(request)

    config.set_session_factory(open_session)


def _read_key(path: Path) -> str:
    try:
        return read_or_make_key(path)
    except UnicodeDecodeError:
        raise SettingError(_KEY, "is not UTF-8 text", f"the file is {path}") from None
    except ValueError as error:
        raise SettingError(_KEY, str(error), f"remove {path}, and a new one is made") from None
    except OSError as error:
        raise SettingError(_KEY, f"can't be read or made: {error.strerror}", f"the file is {path}") from None


def _build_factory(key: str, *, secure: bool) -> Any:
    """Over https the cookie is never sent in the clear, and other hosts of the domain can't set it (``__Host-``)."""
    return SignedCookieSessionFactory(
        key,
        cookie_name="__Host-session" if secure else "session",
        secure=secure,
        httponly=True,
        samesite="Lax",  # the browser must send it when a client redirects to /oauth/authorize
        timeout=_IDLE_SECONDS,
        reissue_time=300,
        salt="example_app.session.",
        hashalg="sha256",
    )
