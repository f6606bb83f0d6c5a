"""What the client reports while it works. The command's console shows it; the client itself does not use a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["Reporter"]


class Reporter(Protocol):
    """Takes messages, and traces of requests. Hides the secrets that were given to it."""

    def protect(self, *secrets: str | None) -> None:
        """Hide each of ``secrets`` in everything that is reported from now on."""

    def say(self, text: str) -> None:
        """A message of one line for the user."""

    def trace_request(self, method: str, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> None:
        """A request is sent."""

    def trace_answer(self, status: int, body: Mapping[str, Any]) -> None:
        """An answer with a JSON object came."""

    def trace_failure(self, text: str) -> None:
        """No answer came, or one without a JSON object."""
