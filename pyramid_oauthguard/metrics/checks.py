"""The checks of one guard, counted: its methods are replaced by ones that count, so that without metrics nothing is slower."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

from pyramid.request import Request

from ..access_token import AccessToken
from ..errors import MissingToken, OAuthGuardError, UnavailableError
from ..guard.authentication import Authenticator, Result
from ..guard.state import Guard
from ..guard.verifiers.chosen import Recall
from ..telemetry.counting import name_issuer, note
from ..telemetry.trace_context import working_for
from .reasons import bound_reason

__all__ = ["count_checks"]

_UNKNOWN: Final = ""
_OBSERVED: Final = "_oauthguard_counted"
_REFUSED: Final = "_oauthguard_refused"

Verify = Callable[[Request, str], Result]
FindAct = Callable[[str, tuple[str, ...]], Callable[[float], Any]]


def count_checks(guard: Guard, find_acts: FindAct, *, passes_trace_on: bool) -> None:
    """Count the checks and the refusals of a guard from now on. A second call changes nothing.

    :param find_acts: gives what counts one check with certain labels, for the path that has no time to look it up.
    """
    if guard.__dict__.setdefault(_OBSERVED, False):
        return
    guard.__dict__[_OBSERVED] = True
    authenticator, names = guard.authenticator, {each.issuer_name for each in guard.settings.list_issuers()}
    only = name_issuer(next(iter(names))) if len(names) == 1 else _UNKNOWN
    authenticator._recalls = _CountedRecalls(names, find_acts)
    verify = _count_verifications(authenticator, only, frozenset(names), passes_trace_on=passes_trace_on)
    authenticator.__dict__["_verify"] = verify
    guard.challenger.__dict__["dress"] = _count_refusals(guard.challenger.dress)


class _CountedRecalls(dict[str, Recall]):
    """By mode: finds a token that was verified before, and counts it."""

    def __init__(self, names: set[str | None], find_acts: FindAct) -> None:
        super().__init__()
        self._names = names
        self._find_acts = find_acts

    def __setitem__(self, mode: str, recall: Recall) -> None:
        counts = {
            name: self._find_acts("checks", (mode, "accepted", "remembered", name_issuer(name))) for name in self._names
        }

        def recall_and_count(header: str | None) -> AccessToken | None:
            token = recall(header)
            if token is not None:
                counts[token.issuer_name](1)
            return token

        super().__setitem__(mode, recall_and_count)


def _count_verifications(
    authenticator: Authenticator, only: str, names: frozenset[str | None], *, passes_trace_on: bool
) -> Verify:
    verify = authenticator._verify

    def verify_and_count(request: Request, mode: str) -> Result:
        began = perf_counter()
        with working_for(request.environ.get("HTTP_TRACEPARENT") if passes_trace_on else None):
            result = verify(request, mode)
        seconds = perf_counter() - began
        outcome, reason = _judge(result)
        issuer = only
        if isinstance(result, AccessToken):
            name = getattr(result, "issuer_name", None)  # an application's own value may be any
            issuer = name_issuer(name) if name in names else only
        note("checks", mode, outcome, reason, issuer)
        if outcome != "missing":
            note("check", mode, value=seconds)
        return result

    return verify_and_count


def _judge(result: Result) -> tuple[str, str]:
    if not isinstance(result, OAuthGuardError):
        return "accepted", "checked"
    if isinstance(result, MissingToken):
        return "missing", "missing_token"
    return "unavailable" if isinstance(result, UnavailableError) else "refused", bound_reason(result.reason)


def _count_refusals(dress: Callable[..., Any]) -> Callable[..., Any]:
    def dress_and_count(response: Any, request: Request, *, error: OAuthGuardError) -> Any:
        if not request.__dict__.get(_REFUSED):  # what completes a refusal dresses it again
            request.__dict__[_REFUSED] = True
            note("refusals", str(error.status), bound_reason(error.reason))
        return dress(response, request, error=error)

    return dress_and_count
