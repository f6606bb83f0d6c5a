"""What the application calls its users, on pages and in tokens."""

from __future__ import annotations

import logging
from typing import Any

from ..http.errors import ServerError
from ..service import Service

__all__ = ["ask_user_name", "describe_user"]

log = logging.getLogger("pyramid_oauthguard.server")


def ask_user_name(service: Service, subject: str) -> str | None:
    """The user's name, or None if the application does not tell it.

    Not to be called in a unit: a directory that answers slowly would hold up all other writers, and one in the same SQLite
    file would wait for the unit itself.

    :raises ServerError: it is not text; the log says what it is.
    """
    hook = getattr(service.owner, "user_name", None)
    found = None if hook is None else hook(subject)
    if found is None:
        return None
    if not isinstance(found, str) or not _is_encodable(found):
        kind = type(found).__name__
        log.error(
            "user_name() of the resource owner returned a value of type %s; it must be text that UTF-8 can have, or None",
            kind,
        )
        raise ServerError
    return "".join(found) or None  # plain text, also if it is of a class that templates take for markup


def describe_user(service: Service, subject: str) -> dict[str, Any]:
    """The claim with the user's name, if the settings allow APIs to know it; see :func:`ask_user_name`."""
    name = ask_user_name(service, subject) if service.settings.user_names_in_tokens else None
    return {} if name is None else {"preferred_username": name}


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
