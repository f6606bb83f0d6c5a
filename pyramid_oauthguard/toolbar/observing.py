"""The guard of one application, observed: its steps go to the request's trace, its refusals to a short list."""

from __future__ import annotations

import functools
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.interfaces import ISecurityPolicy
from pyramid.request import Request

from ..access_token import AccessToken
from ..guard.policy import OAuthSecurityPolicy
from .steps import Step, Trace

__all__ = ["TRACE", "Refusal", "build_refusal", "list_refusals", "note_refusal", "observe_guard"]

#: Where the trace of a request is, if the toolbar is shown for it.
TRACE: Final = "_oauthguard_trace"
_REFUSALS: Final = "oauthguard_refusals"
_CHECK: Final = "check the token"
_MOST_REFUSALS: Final = 20
_MOST_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was refused. Nothing of its token is kept."""

    at: float
    method: str
    path: str
    status: int
    reason: str


def observe_guard(config: Configurator) -> None:
    """Observe the guard of an application, if it has one."""
    registry = config.registry
    guard = registry.__dict__.get("oauthguard")
    if guard is None or _REFUSALS in registry.__dict__:
        return
    registry.__dict__[_REFUSALS] = deque(maxlen=_MOST_REFUSALS)
    guard.authenticator.authenticate = _time_check(guard.authenticator.authenticate)
    policy = registry.queryUtility(ISecurityPolicy)
    if isinstance(policy, OAuthSecurityPolicy):
        policy.permits = _time_permission(policy.permits)  # type: ignore[method-assign]


def note_refusal(registry: Any, refusal: Refusal) -> None:
    """Keep a refusal in place of the oldest."""
    registry.__dict__[_REFUSALS].append(refusal)


def list_refusals(registry: Any) -> list[Refusal]:
    """The last refusals of this process, the newest first."""
    return list(reversed(registry.__dict__.get(_REFUSALS, ())))


def build_refusal(request: Request, status: int, reason: str) -> Refusal:
    """What is kept of a refused request."""
    path = request.environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace")
    return Refusal(time.time(), request.method[:_MOST_CHARACTERS], path[:_MOST_CHARACTERS], status, reason)


def _time_check(authenticate: Any) -> Any:
    @functools.wraps(authenticate)
    def observed(request: Request) -> Any:
        trace: Trace | None = request.__dict__.get(TRACE)
        if trace is None:
            return authenticate(request)
        began, at = time.perf_counter(), len(trace.steps)
        with trace.watch():
            result = authenticate(request)
        if len(trace.steps) > at or not any(step.name == _CHECK for step in trace.steps):
            outcome = f"good, {result.mode}" if isinstance(result, AccessToken) else f"refused: {result.reason}"
            trace.steps.insert(at, Step(_CHECK, outcome, (time.perf_counter() - began) * 1000))
        return result

    return observed


def _time_permission(permits: Any) -> Any:
    @functools.wraps(permits)
    def observed(request: Request, context: Any, permission: str) -> Any:
        trace: Trace | None = request.__dict__.get(TRACE)
        if trace is None:
            return permits(request, context, permission)
        began, at = time.perf_counter(), len(trace.steps)
        result = permits(request, context, permission)
        spent = (time.perf_counter() - began) * 1000
        check = sum(step.milliseconds for step in trace.steps[at:] if step.name == _CHECK)  # it is a step of its own
        trace.add(Step(f"ask the ACL for {permission}", "granted" if result else "denied", spent - check))
        return result

    return observed
