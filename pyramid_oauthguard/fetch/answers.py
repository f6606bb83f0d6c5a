"""The answer of an issuer to one request."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

__all__ = ["Answer"]

#: A longer pause is for the issuer alone: its limit may count other callers, too.
_MOST_RETRY_AFTER_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status, headers whose names have no case, and a JSON object.

    ``body`` is the parsed object; for a status other than 200 it is empty if the answer was not a JSON object.
    """

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def is_overloaded(self) -> bool:
        """Whether the status says that trying again later may help: 429 (RFC 6585 section 4) and 5xx."""
        return self.status == 429 or self.status >= 500

    @property
    def retry_after(self) -> int | None:
        """Seconds of ``Retry-After`` (RFC 9110 section 10.2.3) where the status asks to try again later, at most five minutes."""
        value = self.headers.get("retry-after", "")
        if not self.is_overloaded or not value:
            return None
        if re.fullmatch(r"[0-9]{1,9}", value):
            seconds = int(value)
        else:
            try:
                seconds = math.ceil(parsedate_to_datetime(value).timestamp() - time.time())
            except (ValueError, TypeError, OverflowError):
                return None
        return min(max(seconds, 1), _MOST_RETRY_AFTER_SECONDS)

    @property
    def max_age(self) -> float | None:
        """Seconds of ``Cache-Control: max-age`` (RFC 9111 section 5.2.2.1), 0 for no-store, None where absent."""
        control = self.headers.get("cache-control", "").lower()
        if "no-store" in control or "no-cache" in control:
            return 0
        match = re.search(r"(?:^|[\s,])max-age=\"?(\d{1,9})", control)
        return float(match[1]) if match else None

    @property
    def date(self) -> float | None:
        """The ``Date`` header in seconds since the epoch, or None."""
        try:
            return parsedate_to_datetime(self.headers.get("date", "")).timestamp()
        except (ValueError, TypeError, OverflowError):
            return None
