"""The parameters of a request, read as RFC 6749 requires: POST from the body only, GET from the query only, and each
known parameter once. Unknown parameters are ignored (RFC 6749 section 3.1), also if they are repeated.

Errors are Authlib's; their descriptions contain nothing of the request except the names of known parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl

from pyramid.request import Request

from ..grant_types import GrantDeclaration
from .errors import InvalidRequestError

__all__ = ["KNOWN", "Parameters", "drop_unread_body", "find_sent", "find_sound", "read_body", "read_query", "read_text"]

MAX_BODY_BYTES: Final = 64 * 1024
MAX_FIELDS: Final = 100
FORM: Final = "application/x-www-form-urlencoded"
# RFC 6749 appendix A, 7636, 8628, 8707, 7523: printable ASCII all of them. `token` is left out: any text is looked up.
_PRINTABLE: Final = frozenset(
    {
        "client_assertion",
        "client_assertion_type",
        "client_id",
        "client_secret",
        "code",
        "code_challenge",
        "code_challenge_method",
        "code_verifier",
        "device_code",
        "grant_type",
        "redirect_uri",
        "refresh_token",
        "resource",
        "response_type",
        "scope",
        "state",
        "token_type_hint",
    }
)
# Characters that a URI can't contain, or that Authlib can't put into an error description.
_UNQUOTED: Final = frozenset({"redirect_uri", "response_type", "grant_type"})
_IN_BODY_ONLY: Final = (_PRINTABLE | {"token", "password", "username"}) - {"state"}
_REPEATABLE: Final = frozenset({"resource"})  # RFC 8707 section 2
#: The other parameters that an endpoint or a page of ours reads.
KNOWN: Final = _PRINTABLE | _IN_BODY_ONLY | {"response_mode", "ticket", "decision", "user_code", "ui_locales"}
_NONE: Final[frozenset[str]] = frozenset()
_NO_GRANTS: Final[Mapping[str, GrantDeclaration]] = MappingProxyType({})
_VSCHARS: Final = re.compile(r"[\x20-\x7e]*")
#: Where a request notes that its body was read, and is small since then.
_WAS_READ: Final = "_oauthguard_body_was_read"


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters by name; those sent without a value are left out, as RFC 6749 section 3.1 requires."""

    values: Mapping[str, str] = field(repr=False)
    lists: Mapping[str, list[str]] = field(repr=False)

    def require(self, name: str) -> str:
        """The value of a parameter.

        :raises InvalidRequestError: it was not sent.
        """
        value = self.values.get(name)
        if value is None:
            raise InvalidRequestError(f"The parameter {name} is missing.")
        return value

    def get_all(self, name: str) -> tuple[str, ...]:
        """All values of a parameter that may be repeated."""
        return tuple(self.lists.get(name, ()))


def read_body(request: Request, *, grants: Mapping[str, GrantDeclaration] = _NO_GRANTS) -> Parameters:
    """The form in the body of a POST.

    :param grants: by grant type; the grant that the form names declares its parameters.
    :raises InvalidRequestError: another content type, a known parameter twice, credentials in the query, not UTF-8, too big.
    """
    if request.query_string and _has_secrets(request.query_string, grants):
        raise InvalidRequestError("Parameters must be in the body, not in the URL.")  # RFC 6749 section 2.3.1
    body = _read(request)
    if body and request.content_type.strip().lower() != FORM:  # RFC 9110 section 8.3.1
        request.body = b""  # the error page negotiates its language, which parses any body
        raise InvalidRequestError(f"The content type must be {FORM}.")
    return _build(_parse(body), grants)


def read_query(request: Request) -> Parameters:
    """The query of a GET; see :func:`read_body`."""
    return _build(_parse(request.query_string))


def read_text(text: str) -> Parameters:
    """Parameters that are form-encoded in ``text``; see :func:`read_body`."""
    return _build(_parse(text))


def find_sound(text: str, names: Iterable[str]) -> dict[str, str | None]:
    """The values of these parameters, even if others are wrong; None for one that was not sent.

    A repeated or malformed parameter is left out. Never raises.
    """
    try:
        pairs = _parse(text)
    except InvalidRequestError:
        return {}
    found: dict[str, str | None] = {}
    for name in names:
        with suppress(InvalidRequestError):
            found[name] = _build([pair for pair in pairs if pair[0] == name]).values.get(name)
    return found


def find_sent(request: Request, name: str) -> str | None:
    """A field of a form that :func:`read_body` has read, also if others are wrong; None if it was not sent. Never raises."""
    return find_sound(request.body.decode("ascii", "replace"), (name,)).get(name)


def _has_secrets(query: str, grants: Mapping[str, GrantDeclaration]) -> bool:
    """Whether it has a parameter of this server, or of a grant: what a grant reads may be a credential, as an assertion is."""
    names = {name for name, _value in _parse(query)}
    return not names.isdisjoint(_IN_BODY_ONLY.union(*(grant.parameters for grant in grants.values())))


def drop_unread_body(request: Request) -> None:
    """Empty the body of a request, unless :func:`read_body` has read it. Call it before code that parses any body of any method
    and any size, such as a locale negotiator that reads ``request.params``."""
    if _WAS_READ not in vars(request):
        request.body = b""


def _read(request: Request) -> str:
    vars(request)[_WAS_READ] = True
    length = request.content_length
    if length is not None and length > MAX_BODY_BYTES:
        request.body = b""
        raise InvalidRequestError("The body is too big.", status_code=413)
    if request.is_body_seekable:  # it was read before, such as by a debug toolbar
        request.body_file_raw.seek(0)
    try:
        body: bytes = request.body_file.read(MAX_BODY_BYTES + 1)
    except OSError:  # the client went away in the middle
        request.body = b""
        raise InvalidRequestError("The body is incomplete.") from None
    # Code that reads request.POST later, such as a locale negotiator, still finds the body.
    request.body = body[:MAX_BODY_BYTES]
    if len(body) > MAX_BODY_BYTES:
        raise InvalidRequestError("The body is too big.", status_code=413)
    try:
        return body.decode("ascii")  # characters beyond ASCII are percent-encoded (RFC 6749 appendix B)
    except UnicodeDecodeError:
        raise InvalidRequestError("The body must be form-encoded.") from None


def _parse(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise InvalidRequestError("The parameters must be form-encoded UTF-8.") from None


def _build(pairs: list[tuple[str, str]], grants: Mapping[str, GrantDeclaration] = _NO_GRANTS) -> Parameters:
    grant = grants.get(next((value for name, value in pairs if name == "grant_type"), ""))
    known, repeatable = (grant.parameters, grant.repeatable) if grant else (_NONE, _NONE)
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in lists and name not in _REPEATABLE and name not in repeatable:
            if name in KNOWN or name in known:
                raise InvalidRequestError(f"The parameter {name} is repeated.")
            lists[name] = []  # none of its values is read
            continue
        _check_characters(name, value)
        lists.setdefault(name, []).append(value)
    sent = {name: [value for value in values if value] for name, values in lists.items()}
    sent = {name: values for name, values in sent.items() if values}
    return Parameters(MappingProxyType({name: values[0] for name, values in sent.items()}), MappingProxyType(sent))


def _check_characters(name: str, value: str) -> None:
    wrong = (name in _PRINTABLE and not _VSCHARS.fullmatch(value)) or (
        name in _UNQUOTED and ('"' in value or "\\" in value)
    )
    if wrong:
        raise InvalidRequestError(f"The parameter {name} has characters that it can't have.")
