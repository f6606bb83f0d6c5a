"""Request headers that WebOb reads in quadratic time, shortened or refused before anything reads them: cookies, the
content type."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, MutableMapping
from typing import Any, Final

from .http.answers import Refuse, refuse_in_json

__all__ = ["HeaderTooLongError", "bound_headers", "check_headers"]

#: More than browsers store for most sites, and more than most WSGI servers accept.
MAX_COOKIE_CHARACTERS: Final = 16_384
#: A media type with its parameters. Python's parser of these takes quadratic time.
MAX_CONTENT_TYPE_CHARACTERS: Final = 1_024

#: The characters of a name and of an unquoted value, as WebOb reads them; ``=`` ends a name.
_NAME: Final = r"\w~!@#$%^&*()_+\-`.?|:/(){}<>'"
_LEGAL: Final = _NAME + "="
_QUOTED: Final = r'"(?:\\"|.)*?"'
_DATE: Final = r"\w{3},\s[\w-]{9,11}\s[\d:]{8}\sGMT"
_UNQUOTED: Final = rf"(?:[{_LEGAL}]|\\(?:[0-3][0-7][0-7]|.))*"
#: What WebOb reads as a cookie. It is looked for at the first character of a word only: WebOb tries each character, and
#: reads the rest of the word each time.
_COOKIE: Final = re.compile(
    rf"(?:(?<![{_LEGAL}])|(?<=\sGMT))[{_LEGAL}][{_NAME}]*\s*=\s*({_QUOTED}|{_DATE}|{_UNQUOTED})", re.ASCII
)
_ESCAPE: Final = re.compile(r"\\([0-3][0-7][0-7]|.)")


class HeaderTooLongError(ValueError):
    """A header is too long. ``status`` is the answer's: 431 (RFC 6585 section 5) or 400."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def check_headers(environ: MutableMapping[str, Any]) -> None:
    """Leave in the request's ``Cookie`` header only what WebOb reads as a cookie, and refuse headers that are too long.

    What is left out would give no cookie, or would make ``request.cookies`` raise because it is not UTF-8.

    :param environ: the WSGI environment, which is changed. Call it before anything reads ``request.cookies``.
    :raises HeaderTooLongError: the Cookie header or the content type is too long. The header is taken out.
    """
    cookies: str = environ.get("HTTP_COOKIE", "")
    if len(cookies) > MAX_COOKIE_CHARACTERS:
        environ["HTTP_COOKIE"] = ""
        raise HeaderTooLongError(431, f"The Cookie header must have at most {MAX_COOKIE_CHARACTERS} characters.")
    if len(environ.get("CONTENT_TYPE", "")) > MAX_CONTENT_TYPE_CHARACTERS:
        environ["CONTENT_TYPE"] = ""
        raise HeaderTooLongError(400, f"The content type must have at most {MAX_CONTENT_TYPE_CHARACTERS} characters.")
    if cookies:
        environ["HTTP_COOKIE"] = "; ".join(found[0] for found in _COOKIE.finditer(cookies) if _is_text(found[1]))


def bound_headers(view: Callable[[Any], Any], *, refuse: Refuse = refuse_in_json) -> Callable[[Any], Any]:
    """Check the headers before the view runs, and answer 431 or 400 instead of it where they are too long."""

    @functools.wraps(view)
    def wrapped(request: Any) -> Any:
        try:
            check_headers(request.environ)
        except HeaderTooLongError as error:
            return refuse(request, error.status, str(error), ())
        return view(request)

    return wrapped


def _is_text(value: str) -> bool:
    """Whether WebOb can decode the value."""
    if value.isascii() and "\\" not in value:
        return True
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 8)) if len(found[1]) == 3 else found[1], value)
    try:
        plain.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return False
    return True
