"""Introspection answers: shared by those who may share one, kept for those who allow it (RFC 7662)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeGuard

from dogpile.cache import CacheRegion

from ..access_token import AccessToken
from ..errors import InvalidToken, OAuthGuardError, UnavailableError

__all__ = ["Introspector"]

#: An inactive token of this size or less is remembered; what is longer was never issued by anybody.
_MAX_REMEMBERED: Final = 16_384

Judge = Callable[[Mapping[str, Any]], AccessToken]


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
    ) -> None:
        self._introspect = introspect
        self._positive = positive
        self._mangle: Callable[[str], str] = positive.key_mangler or str
        self._inactive = inactive
        self._lifetime = lifetime
        self._inactive_lifetime = inactive_lifetime
        self._patience = patience
        self._lock = threading.Lock()
        self._running: dict[str, _Call] = {}

    def ask(self, raw: str, judge: Judge) -> AccessToken:
        """``judge`` of the issuer's answer about ``raw``.

        :raises InvalidToken: the issuer calls it inactive, or ``judge`` refuses it.
        :raises UnavailableError: the issuer can't be asked.
        """
        kept = self._find_kept(raw)
        if kept is not None:
            return judge(kept)
        self._check_inactive(raw)
        asked_at = time.time()
        answer = self._share(raw)
        if answer.get("active") is not True:
            self._keep_inactive(raw)
            raise InvalidToken("inactive")
        token = judge(answer)
        self._keep(raw, answer, token, asked_at)
        return token

    def evict(self, token_ids: Iterable[str]) -> None:
        """Tokens with these ``jti`` were revoked: forget their answers, and those that are on their way."""
        if not self._lifetime:
            return
        for token_id in token_ids:
            pointer = self._positive.get(f"id {token_id}", ignore_expiration=True)
            self._positive.set(f"id {token_id}", {"revoked_at": time.time()})
            if isinstance(pointer, dict) and isinstance(pointer.get("entry"), str):
                self._positive.backend.delete(pointer["entry"])  # by its hash: nobody here knows the token

    def _find_kept(self, raw: str) -> Mapping[str, Any] | None:
        if not self._lifetime:
            return None
        kept = self._positive.get(f"token {raw}", ignore_expiration=True)
        if not isinstance(kept, dict):
            return None
        asked_at, until, answer = kept.get("asked_at"), kept.get("until"), kept.get("answer")
        if not _is_number(asked_at) or not _is_number(until) or not isinstance(answer, dict):
            return None
        now = time.time()
        fresh = asked_at <= now < min(asked_at + self._lifetime, until)
        return answer if fresh and answer.get("active") is True else None

    def _keep(self, raw: str, answer: Mapping[str, Any], token: AccessToken, asked_at: float) -> None:
        if not self._lifetime:
            return
        if token.token_id is not None:
            pointer = self._positive.get(f"id {token.token_id}", ignore_expiration=True)
            revoked_at = pointer.get("revoked_at") if isinstance(pointer, dict) else None
            if _is_number(revoked_at) and revoked_at >= asked_at:
                return  # revoked while the answer was on its way
            self._positive.set(f"id {token.token_id}", {"entry": self._mangle(f"token {raw}")})
        # The issuer's own exp, without leeway: past it the issuer itself would say inactive.
        kept = {"asked_at": asked_at, "until": token.expires_at, "answer": dict(answer)}
        self._positive.set(f"token {raw}", kept)

    def _check_inactive(self, raw: str) -> None:
        if not self._inactive_lifetime:
            return
        since = self._inactive.get(raw, ignore_expiration=True)
        if _is_number(since) and since <= time.time() < since + self._inactive_lifetime:
            raise InvalidToken("inactive")

    def _keep_inactive(self, raw: str) -> None:
        if self._inactive_lifetime and len(raw) <= _MAX_REMEMBERED:
            self._inactive.set(raw, time.time())

    def _share(self, raw: str) -> Mapping[str, Any]:
        """The answer of a call that begins after now, made by us or by another who came in time."""
        call, before, leads = self._join(raw)
        if not leads:
            if not call.done.wait(2 * self._patience):
                raise UnavailableError("introspection_slow", retry_after=1)
            return self._read(call)
        if before is not None:
            before.done.wait(self._patience)
        return self._lead(raw, call)

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

    def _lead(self, raw: str, call: _Call) -> Mapping[str, Any]:
        with self._lock:
            call.begun = True
            self._running[raw] = call  # also where the call before us never came back
        try:
            call.answer = self._introspect(raw)
        except OAuthGuardError as error:
            call.error = error
        finally:
            with self._lock:
                if self._running.get(raw) is call:
                    if call.next is None:
                        del self._running[raw]
                    else:
                        self._running[raw] = call.next
            call.done.set()
        return self._read(call)

    @staticmethod
    def _read(call: _Call) -> Mapping[str, Any]:
        if call.answer is not None:
            return call.answer
        error = call.error
        if isinstance(error, UnavailableError):  # a new one for each: they are raised in several threads
            raise UnavailableError(error.reason, error.detail, retry_after=error.retry_after)
        raise UnavailableError("introspection_failed")


def _is_number(value: object) -> TypeGuard[float]:
    """What comes out of a shared cache may be anything."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
