"""Checking tokens outside of a request: in an application with the guard, or without any application."""

from __future__ import annotations

from .alone import IssuerVerifier, VerifierSet, build_verifier
from .application import verify

__all__ = ["IssuerVerifier", "VerifierSet", "build_verifier", "verify"]
