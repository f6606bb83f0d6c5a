"""Policies that get principals from access tokens: the security policy, and the authentication policy for older applications."""

from __future__ import annotations

from .authentication import OAuthAuthenticationPolicy, explain_denial
from .security import OAuthSecurityPolicy, TokenDenied

__all__ = ["OAuthAuthenticationPolicy", "OAuthSecurityPolicy", "TokenDenied", "explain_denial"]
