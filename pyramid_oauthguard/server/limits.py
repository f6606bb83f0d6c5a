"""The public import path of the error for callers that tried too often."""

from __future__ import annotations

from .http.limits import TooManyRequestsError

__all__ = ["TooManyRequestsError"]
