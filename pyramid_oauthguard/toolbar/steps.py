"""The steps of a check with their times: observed from outside, so that the guard itself measures nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import CodeType, FrameType
from typing import Any, Final

from pyramid.path import DottedNameResolver

__all__ = ["FETCH_KEYS", "INTROSPECT", "RECALL", "WATCHED", "Step", "Trace"]

_MOST_STEPS: Final = 50
_OURS: Final = "pyramid_oauthguard."
RECALL: Final = "guard.verifiers.local.LocalVerifier.recall"
FETCH_KEYS: Final = "guard.assembly.issuer_parts._DeferredIssuer.fetch_keys"
INTROSPECT: Final = "guard.assembly.issuer_parts._DeferredIssuer.introspect"

#: The functions that are steps: what they do, and how their result is told. Only ``None`` is returned by a function that raised.
WATCHED: Final[Mapping[str, tuple[str, Callable[[Any], str]]]] = {
    RECALL: (
        "look for the token among those verified before",
        lambda found: "not there" if found is None else "there: nothing is verified again",
    ),
    "issuers.keys.KeySource.find": (
        "find the keys that fit",
        lambda found: "none" if found is None else f"keys: {len(found[1])}",
    ),
    "jwt.verify.is_signed": ("check the signature", lambda good: "good" if good else "not by these keys"),
    "guard.verifiers.access_tokens.build_access_token": (
        "check the claims",
        lambda token: "refused" if token is None else "good",
    ),
    FETCH_KEYS: (
        "fetch the issuer's keys, which were not kept",
        lambda found: "failed" if found is None else f"keys: {len(found.keys)}",
    ),
    INTROSPECT: (
        "ask the issuer, whose answer was not kept",
        lambda answer: "failed" if answer is None else f"active: {answer.get('active') is True}",
    ),
    "issuers.introspection.Introspector.ask": (
        "find out whether the token is active",
        lambda token: "refused, or no answer" if token is None else "active",
    ),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    :ivar depth: how many other steps it is a part of.
    """

    name: str
    outcome: str
    milliseconds: float
    depth: int = 0


@dataclass(slots=True)
class Trace:
    """The steps of one request, in the order in which they began."""

    steps: list[Step] = field(default_factory=list)

    def add(self, step: Step) -> None:
        """Add a step, unless there are too many."""
        if len(self.steps) < _MOST_STEPS:
            self.steps.append(step)

    def find(self, watched: str) -> Step | None:
        """The last step of one watched function."""
        name = WATCHED[watched][0]
        return next((each for each in reversed(self.steps) if each.name == name), None)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Note the watched functions that this thread calls. Not while another profiler is at work."""
        if sys.getprofile() is not None:
            yield
            return
        observer = _Observer(self)
        sys.setprofile(observer)
        try:
            yield
        finally:
            sys.setprofile(None)
            observer.end()


class _Observer:
    """A profile function. Of what functions return, it keeps the words of :data:`WATCHED` only."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._watched = _find_code()
        self._open: list[tuple[FrameType, float]] = []
        self._found: list[tuple[float, Step]] = []

    def __call__(self, frame: FrameType, event: str, value: Any) -> None:
        if frame.f_code not in self._watched:
            return
        if event == "call":
            self._open.append((frame, time.perf_counter()))
        elif event == "return" and self._open and self._open[-1][0] is frame:
            _frame, began = self._open.pop()
            name, tell = self._watched[frame.f_code]
            spent = (time.perf_counter() - began) * 1000
            self._found.append((began, Step(name, _tell(tell, value), spent, len(self._open) + 1)))

    def end(self) -> None:
        """Hand the steps over."""
        for _began, step in sorted(self._found, key=lambda each: each[0]):
            self._trace.add(step)


def _tell(tell: Callable[[Any], str], value: Any) -> str:
    try:
        return tell(value)
    except Exception:  # noqa: BLE001  # here it would be raised by the guard's own function
        return "unknown"


@cache
def _find_code() -> dict[CodeType, tuple[str, Callable[[Any], str]]]:
    resolve = DottedNameResolver().resolve
    return {resolve(_OURS + name).__code__: told for name, told in WATCHED.items()}
