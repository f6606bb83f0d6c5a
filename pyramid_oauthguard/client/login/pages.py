"""The pages that the listener answers: fixed text without anything of the request; they load nothing."""

from __future__ import annotations

import base64
import enum
import hashlib
from typing import Final

__all__ = ["HEADERS", "Page"]

_STYLE: Final = (
    ":root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;"
    "padding:0 1rem}"
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
    NOT_OURS = (400, "Not part of this sign-in", "The sign-in that the terminal waits for goes on.")
    NOTHING_HERE = (404, "Nothing here", "This address serves one sign-in.")

    @property
    def status(self) -> int:
        return self.value[0]

    @property
    def html(self) -> bytes:
        _, title, text = self.value
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
            f"<body><main><h1>{title}</h1><p>{text}</p></main></body></html>\n"
        ).encode()
