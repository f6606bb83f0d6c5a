"""Introspection answers: shared by those who may share one, kept for those who allow it (RFC 7662)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dogpile.cache import CacheRegion

from .. import processes
from ..access_token import AccessToken
from ..bounded import BoundedMap
from ..caching import BoundedBackend, read_number
from ..errors import InvalidToken, OAuthGuardError, UnavailableError
from ..strict_json import check_depth
from ..telemetry.counting import PLAIN, count_fetch, note
from .in_flight import InFlight

__all__ = ["Introspector"]

#: A token of this size or less is remembered: an inactive one that is longer was never issued by anybody, active ones
#: are rare, and ten thousand of them would be gigabytes.
_MAX_REMEMBERED: Final = 16_384
#: So many revoked tokens are known by name in this process; beyond that every kept answer is asked for again.
_MAX_REVOKED: Final = 10_000
_JUDGED: Final = "judged"

Judge = Callable[[Mapping[str, Any]], AccessToken]


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer from the cache, the time of its request, and the time until which it may be used."""

    asked_at: float
    until: float
    answer: Mapping[str, Any]


#: From when until when a judged answer is good, when it was asked for, what it was judged to be.
_Remembered = tuple[float, float, float, AccessToken]


class _Call:
    """One call to the issuer, and those who wait for its answer."""

    def __init__(self) -> None:
        self.begun = False
        self.done = threading.Event()
        self.next: _Call | None = None
        self.answer: Mapping[str, Any] | None = None
        self.error: OAuthGuardError | None = None


class Introspector:
    """Asks the issuer about tokens.

    With ``lifetime`` 0 every answer comes from a call that began after the asker came; those who come while a
    call is under way share the next one. With ``lifetime`` n a positive answer serves for n seconds, never
    past its ``exp``, and is judged again each time. A negative one serves for ``inactive_lifetime``.

    :param kind: what is asked for, ``introspection`` or ``userinfo``, and ``label``, of the issuer: under which calls are counted.
    :param in_flight: bounds how many threads wait for the issuer at once.
    :param memory: how many judged answers are remembered beside a cache that lives in this process anyway.
    """

    def __init__(
        self,
        introspect: Callable[[str], Mapping[str, Any]],
        *,
        positive: CacheRegion,
        inactive: CacheRegion,
        lifetime: float,
        inactive_lifetime: float,
        patience: float,
        in_flight: InFlight,
        memory: int = 0,
        kind: str = "introspection",
        label: str = PLAIN,
    ) -> None:
        self._introspect = introspect
        self._kind = kind
        self._label = label
        self._positive = positive
        self._mangle: Callable[[str], str] = positive.key_mangler or str
        self._inactive = inactive
        self._lifetime = lifetime
        self._inactive_lifetime = inactive_lifetime
        self._patience = patience
        self._in_flight = in_flight
        # Not beside a shared one: another process may have evicted there what is remembered here.
        in_process = type(positive.backend) is BoundedBackend
        self._memory = memory if lifetime and in_process else 0
        self._judged = BoundedMap(self._memory, name=_JUDGED) if self._memory else None
        self._lock = threading.Lock()
        self._running: dict[str, _Call] = {}
        self._revoked: set[str] = set()
        self._distrusted_until = 0.0  # kept answers asked for before this are asked for again
        processes.register(self, Introspector._leave_parent)

    def ask(self, raw: str, judge: Judge) -> AccessToken:
        """``judge`` of the issuer's answer about ``raw``.

        :raises InvalidToken: the issuer calls it inactive, or ``judge`` refuses it.
        :raises UnavailableError: the issuer can't be asked.
        """
        kept = self._find_kept(raw)
        if self._lifetime:
            note("cache_reads", self._kind, "miss" if kept is None else "hit")
        if kept is not None:
            token = judge(kept.answer)
            if not self._is_revoked(token, kept.asked_at):
                self._remember(raw, kept, token)
                return token
        self._check_inactive(raw)
        asked_at = time.time()
        answer = self._share(raw)
        if self._judged is not None:
            # Of an older answer, which is remembered longer than it is kept where the cache is full.
            self._judged.delete(f"Bearer {raw}")
        if answer.get("active") is not True:
            self._keep_inactive(raw)
            raise InvalidToken("inactive")
        token = judge(answer)
        self._keep(raw, answer, token, asked_at)
        return token

    def recall(self, header: str | None) -> AccessToken | None:
        """The token of an Authorization header whose kept answer was judged before and would be judged the same now:
        only time and revocation can change that, and both are looked at. Raises nothing.
        """
        judged = self._judged
        if judged is None:
            return None
        remembered: _Remembered | None = judged.get(header)
        if remembered is None:
            return None
        since, until, asked_at, token = remembered
        if not since <= time.time() < until or self._is_revoked(token, asked_at):
            return None
        return token

    def evict(self, token_ids: Iterable[str]) -> None:
        """Tokens with these ``jti`` were revoked: forget their answers, and those that are on their way.

        In this process that holds from the return of this call on. Another one that shares the cache may still be
        storing an answer, and takes it back once it has.
        """
        if not self._lifetime:
            return
        gone = tuple(token_ids)
        with self._lock:
            self._revoked.update(gone)
            if len(self._revoked) > _MAX_REVOKED:
                self._distrusted_until = time.time()
                self._revoked.clear()
                if self._judged is not None:
                    self._judged.clear()  # the clock may have been set back since they were asked for
        for token_id in gone:
            # First this, then the look for an answer; who stores one does it the other way round.
            self._positive.set(f"gone {token_id}", True)
            entry = self._positive.get(f"id {token_id}", ignore_expiration=True)
            if isinstance(entry, str):
                self._positive.backend.delete(entry)  # by its hash, since the token itself is not known

    def _leave_parent(self) -> None:
        """In a child of a fork: a call that runs in the parent is answered there alone."""
        if self._lock.locked() and self._judged is not None:
            self._judged = BoundedMap(self._memory, name=_JUDGED)  # a revocation may be under way: ask again
        self._lock = threading.Lock()
        self._running = {}

    def _is_revoked(self, token: AccessToken, asked_at: float) -> bool:
        """Whether a kept answer is about a token revoked since. In this order, the other way round from :meth:`evict`:
        a name that is no longer known was forgotten after older answers were distrusted.
        """
        return token.token_id in self._revoked or asked_at <= self._distrusted_until

    def _find_kept(self, raw: str) -> _Kept | None:
        if not self._lifetime:
            return None
        kept = self._positive.get(f"token {raw}", ignore_expiration=True)
        if not isinstance(kept, dict):
            return None
        asked_at, until, answer = read_number(kept.get("asked_at")), read_number(kept.get("until")), kept.get("answer")
        if asked_at is None or until is None or not isinstance(answer, dict) or answer.get("active") is not True:
            return None
        until = min(asked_at + self._lifetime, until)
        fresh = self._distrusted_until < asked_at <= time.time() < until
        return _Kept(asked_at, until, answer) if fresh else None

    def _remember(self, raw: str, kept: _Kept, token: AccessToken) -> None:
        """From a token's second use on: most tokens of a flood never come again."""
        if self._judged is not None and len(raw) <= _MAX_REMEMBERED:
            self._judged.set(f"Bearer {raw}", (time.time(), kept.until, kept.asked_at, token))

    def _keep(self, raw: str, answer: Mapping[str, Any], token: AccessToken, asked_at: float) -> None:
        if not self._lifetime:
            return
        entry = self._mangle(f"token {raw}")
        if token.token_id is not None:
            self._positive.set(f"id {token.token_id}", entry)
        # The issuer's own exp, without leeway: past it the issuer itself would say inactive. It may be infinite.
        until = min(token.expires_at, asked_at + self._lifetime)
        self._positive.set(f"token {raw}", {"asked_at": asked_at, "until": until, "answer": dict(answer)})
        if token.token_id is not None and self._positive.get(f"gone {token.token_id}", ignore_expiration=True) is True:
            self._positive.backend.delete(entry)  # revoked while the answer was on its way

    def _check_inactive(self, raw: str) -> None:
        if not self._inactive_lifetime:
            return
        since = read_number(self._inactive.get(raw, ignore_expiration=True))
        is_known = since is not None and since <= time.time() < since + self._inactive_lifetime
        note("cache_reads", "inactive", "hit" if is_known else "miss")
        if is_known:
            raise InvalidToken("inactive")

    def _keep_inactive(self, raw: str) -> None:
        if self._inactive_lifetime and len(raw) <= _MAX_REMEMBERED:
            self._inactive.set(raw, time.time())

    def _share(self, raw: str) -> Mapping[str, Any]:
        """The answer of a call that begins after now, made by us or by another who came in time."""
        with self._in_flight.occupy():  # who waits for another's call occupies a thread, too
            return self._lead_or_wait(raw)

    def _lead_or_wait(self, raw: str) -> Mapping[str, Any]:
        call, before, leads = self._join(raw)
        if not leads:
            if not call.done.wait(2 * self._patience):
                raise UnavailableError("introspection_slow", retry_after=1)
            return self._read(call)
        return self._lead(raw, call, before)

    def _join(self, raw: str) -> tuple[_Call, _Call | None, bool]:
        with self._lock:
            running = self._running.get(raw)
            if running is None:
                call = self._running[raw] = _Call()
                return call, None, True
            if not running.begun:
                return running, None, False
            if running.next is None:
                running.next = _Call()
                return running.next, running, True
            return running.next, None, False

    def _lead(self, raw: str, call: _Call, before: _Call | None) -> Mapping[str, Any]:
        try:
            if before is not None:
                before.done.wait(self._patience)  # one at a time, unless that one hangs
            with self._lock:
                call.begun = True
                self._running[raw] = call
            call.answer = self._fetch(raw)
        except OAuthGuardError as error:
            call.error = error
        except Exception as error:  # noqa: BLE001  # an issuer of the application's own may raise anything
            call.error = UnavailableError("introspection_failed", type(error).__qualname__)
        finally:
            with self._lock:
                self._end(raw, call)
            call.done.set()
        return self._read(call)

    def _fetch(self, raw: str) -> Mapping[str, Any]:
        with count_fetch(self._label, self._kind):
            answer = self._introspect(raw)
        if not isinstance(answer, Mapping):
            raise UnavailableError("introspection_failed", "the answer is not an object")
        check_depth(answer)
        return answer

    def _end(self, raw: str, call: _Call) -> None:
        """Take the call out of the table, wherever it got to, and leave there the one that follows it."""
        running = self._running.get(raw)
        if running is call and call.next is not None:
            self._running[raw] = call.next
        elif running is call:
            del self._running[raw]
        elif running is not None and running.next is call:
            running.next = None  # it ended before it began

    @staticmethod
    def _read(call: _Call) -> Mapping[str, Any]:
        if call.answer is not None:
            return call.answer
        error = call.error
        if isinstance(error, UnavailableError):  # a new one for each: they are raised in several threads
            raise error.repeat()
        raise UnavailableError("introspection_failed")
