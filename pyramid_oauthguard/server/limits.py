"""The public name of the error that says that a caller has tried too often."""

from __future__ import annotations

from .http.limits import TooManyRequestsError

__all__ = ["TooManyRequestsError"]
