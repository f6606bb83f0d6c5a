"""Events for audit and metrics: subscribe with ``config.add_subscriber``."""

from __future__ import annotations

from dataclasses import dataclass

from pyramid.request import Request

from ..access_token import AccessToken

__all__ = ["AccessTokenAccepted", "AccessTokenRejected"]


@dataclass(frozen=True, slots=True)
class AccessTokenAccepted:
    """A bearer token was verified, once per request and mode. It may still lack a scope or a permission."""

    request: Request
    access_token: AccessToken


@dataclass(frozen=True, slots=True)
class AccessTokenRejected:
    """A bearer token was presented and not accepted.

    :ivar reason: a fixed word such as ``"expired"``, ``"unknown_key"``, ``"inactive"``, ``"unreachable"``.
    :ivar mode: the mode of the check: ``"local"``, ``"remote"`` or ``"userinfo"``, or ``"remote and userinfo"`` where a request must pass both.
    """

    request: Request
    reason: str
    mode: str
