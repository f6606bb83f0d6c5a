"""The pages that the listener answers: nothing of the request is in them, and they load nothing."""

from __future__ import annotations

import base64
import enum
import hashlib
from html import escape
from typing import Final

from ..text import clean

__all__ = ["HEADERS", "Page"]

_GO_BACK: Final = "You may close this tab and go back to the terminal."
_LONGEST_NAME_CHARS: Final = 100
_STYLE: Final = (
    ":root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;"
    "padding:0 1rem;overflow-wrap:anywhere}h1{line-height:1.25;text-wrap:balance}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the address holds the code (RFC 9700 section 4.2.4)
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}


class Page(enum.Enum):
    """One page: status, title, text."""

    DONE = (200, "You may close this tab", "Go back to the terminal, which says how the sign-in ended.")
    DENIED = (200, "Access was denied", "You are not signed in. You may close this tab.")
    FAILED = (400, "The sign-in did not work", "The terminal says why. You may close this tab.")
    NOT_OURS = (400, "Not part of this sign-in", "The terminal still waits for its own sign-in.")
    NOTHING_HERE = (404, "Nothing here", "This address serves one sign-in.")

    @property
    def status(self) -> int:
        return self.value[0]

    def render(self, name: str | None = None) -> bytes:
        """The page as HTML. The name is that of the user who signed in, from the issuer and not from the request."""
        _, title, text = self.value
        if name:
            title, text = f"You are signed in as {_format_name(name)}", _GO_BACK
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
            f"<body><main><h1>{title}</h1><p>{text}</p></main></body></html>\n"
        ).encode()


def _format_name(name: str) -> str:
    shown = clean(name)
    return escape(shown if len(shown) <= _LONGEST_NAME_CHARS else shown[:_LONGEST_NAME_CHARS] + "…")
