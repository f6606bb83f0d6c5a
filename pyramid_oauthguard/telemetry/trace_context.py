"""The trace context (W3C Trace Context, version 00) of the request for which this thread asks an issuer.

Nothing is passed on unless the application includes ``pyramid_oauthguard.metrics``, and then only a ``traceparent`` in exactly
the form of the standard: a caller can put nothing else into a request to the issuer.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["find_headers", "parse_traceparent", "working_for"]

_current = threading.local()
_match = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII).fullmatch


def parse_traceparent(text: str | None) -> str | None:
    """The header's value if it is valid, otherwise None."""
    return text if text is not None and _match(text) else None


@contextmanager
def working_for(traceparent: str | None) -> Iterator[None]:
    """Let requests of this thread to an issuer carry a ``traceparent``, if it is valid."""
    _current.traceparent = parse_traceparent(traceparent)
    try:
        yield
    finally:
        _current.traceparent = None


def find_headers() -> dict[str, str]:
    """The headers of a request to an issuer."""
    traceparent = getattr(_current, "traceparent", None)
    return {} if traceparent is None else {"traceparent": traceparent}
