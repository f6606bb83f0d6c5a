"""Suites that a verifier or a store of your own must pass. Subclass one, define how to make yours, run pytest."""

from __future__ import annotations

from .store import StoreContract
from .verifier import VerifierContract

__all__ = ["StoreContract", "VerifierContract"]
