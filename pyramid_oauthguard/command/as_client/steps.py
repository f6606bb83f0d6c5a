"""The steps in their order, each with its name for the case that it does not end in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ...interfaces import Finding, Step
from .authorization import check_authorization, check_token_endpoint
from .browsers import check_cors
from .challenge import check_challenge, check_document
from .server import check_metadata, check_registration, remove_client
from .visit import Visit

__all__ = ["check_as_client"]

_STEPS: Final[tuple[tuple[str, Callable[[Visit], Iterator[Finding]]], ...]] = (
    ("the request without a token", check_challenge),
    ("the resource metadata", check_document),
    ("the server's metadata", check_metadata),
    ("the registration", check_registration),
    ("CORS", check_cors),
    ("the authorization request", check_authorization),
    ("the token endpoint", check_token_endpoint),
)


def check_as_client(visit: Visit) -> Iterator[Finding]:
    """All findings. What was registered for the check is removed in any case."""
    try:
        for name, check in _STEPS:
            yield Step("ok", name, "")
            yield from check(visit)
            if visit.refusal is None:  # there is no answer
                break
    finally:
        found = list(remove_client(visit))
    yield from found
