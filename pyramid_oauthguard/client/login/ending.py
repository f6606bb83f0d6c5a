"""How a sign-in ended, for the page that the browser waits for."""

from __future__ import annotations

import threading
from typing import Final

from .pages import Page

__all__ = ["Ending"]

#: For how long the browser waits for the tokens and the name of the user. After it, the page says to look at the terminal.
_PATIENCE_SECONDS: Final = 20.0
_SENDING_SECONDS: Final = 2.0


class Ending:
    """Set once by the sign-in, and read by the request that brought the code."""

    def __init__(self) -> None:
        self._known = threading.Event()
        self._sent = threading.Event()
        self._is_awaited = False
        self._page = Page.DONE
        self._name: str | None = None

    def tell(self, name: str | None) -> None:
        """The user is signed in, under this name if it is known."""
        self._name = name
        self._known.set()

    def fail(self) -> None:
        """The sign-in did not work, although the browser brought a code."""
        self._page = Page.FAILED
        self._known.set()

    def wait(self) -> tuple[Page, str | None]:
        """The page and the name in it, when they are known."""
        self._is_awaited = True
        self._known.wait(_PATIENCE_SECONDS)
        return self._page, self._name

    def close(self) -> None:
        """Wait until the page is sent, if a browser waits for one."""
        self._known.set()
        if self._is_awaited:
            self._sent.wait(_SENDING_SECONDS)

    def confirm(self) -> None:
        """The page is sent, or can't be sent."""
        self._sent.set()
