"""A token issuer in memory: keys, metadata, introspection, revocation, outages."""

from __future__ import annotations

import secrets
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from zope.interface import implementer

from .. import processes
from ..errors import UnavailableError
from ..interfaces import IIssuer, KeyDocument
from .keys import KeyPool, SigningKey
from .tokens import ABSENT, bearer, is_signed_by, mint, read_claims, tamper

__all__ = ["MemoryIssuer"]

_POOL: Final = KeyPool()


@implementer(IIssuer)
class MemoryIssuer:
    """An issuer of access tokens (RFC 9068) without sockets, files or processes; safe to share between threads.

    :param identifier: the claim ``iss`` of its tokens.
    :param audience: their claim ``aud``.
    :param algorithm: what they are signed with.
    :param client_id: the client they are for, unless a token is made with another one.

    Time is ``time.time()``, so a test that moves the clock moves the issuer's, too.

    :ivar calls: how often a guard asked: ``calls["fetch_keys"]``, ``calls["introspect"]``.
    :ivar max_age: for how many seconds the key set may be kept, as ``Cache-Control`` would tell; None for no such
        header.
    """

    #: Its answers come from this process: the guard does not bound how many threads ask it at once.
    in_memory = True

    def __init__(
        self,
        identifier: str = "https://issuer.test",
        *,
        audience: str = "https://api.test",
        algorithm: str = "RS256",
        client_id: str = "test-client",
    ) -> None:
        self.identifier = identifier
        self.audience = audience
        self.algorithm = algorithm
        self.client_id = client_id
        self.calls: Counter[str] = Counter()
        self.max_age: float | None = None
        self._renew_lock()
        self._listeners: list[Any] = []
        self._opaque: dict[str, Mapping[str, Any]] = {}
        self._answers: dict[str, Mapping[str, Any]] = {}
        self._revoked: set[str] = set()
        self._published: list[Mapping[str, Any]] = []
        self._held: list[SigningKey] = []
        self._outage: UnavailableError | None = None
        weakref.finalize(self, _POOL.give_back, self._held)  # for the next test's issuer
        processes.register(self, MemoryIssuer._renew_lock)
        self.rotate()

    @property
    def settings(self) -> dict[str, str]:
        """The settings of the guard of an application that accepts the tokens of this issuer."""
        return {
            "oauthguard.issuer": self.identifier,
            "oauthguard.audience": self.audience,
            "oauthguard.introspection.auth_method": "none",  # this issuer does not authenticate its callers
        }

    # ── tokens ───────────────────────────────────────────────────────────────────────────────────────────

    def mint(
        self,
        claims: Mapping[str, Any] | None = None,
        *,
        header: Mapping[str, Any] | None = None,
        key: SigningKey | None = None,
        **more: Any,
    ) -> str:
        """A token of this issuer that is valid for ten minutes.

        ``claims`` and ``more`` replace the default claims: ``mint(sub="ada", scope="read write")``,
        ``mint({"https://example.com/tier": "gold"})``; :data:`~pyramid_oauthguard.testing.ABSENT` leaves a
        claim out. ``header`` does the same for the header, and ``key`` signs instead of the current one.
        """
        return mint({**self._build_claims(), **(claims or {}), **more}, key or self.signing_key, header=header)

    def mint_expired(self, **claims: Any) -> str:
        """A token that expired an hour ago."""
        now = int(time.time())
        return self.mint({"iat": now - 7200, "exp": now - 3600, **claims})

    def mint_foreign(self, **claims: Any) -> str:
        """A token that names this issuer and its current key, signed by another key."""
        mine = self.signing_key
        other = _POOL.borrow(mine.algorithm)
        token = self.mint(claims, key=SigningKey(mine.kid, mine.algorithm, other.native))
        _POOL.give_back([other])
        return token

    def mint_tampered(self, **claims: Any) -> str:
        """A token of this issuer with another ``sub`` written into it after it was signed."""
        return tamper(self.mint(claims))

    def mint_opaque(self, claims: Mapping[str, Any] | None = None, **more: Any) -> str:
        """A token of random characters. Only introspection can say what it is."""
        token = secrets.token_urlsafe(24)
        members = {**self._build_claims(), **(claims or {}), **more}
        with self._lock:
            self._opaque[token] = {name: value for name, value in members.items() if value is not ABSENT}
        return token

    def bearer(self, claims: Mapping[str, Any] | None = None, **more: Any) -> dict[str, str]:
        """The request header that presents a new token of :meth:`mint`."""
        return bearer(self.mint(claims, **more))

    # ── keys, metadata ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def signing_key(self) -> SigningKey:
        """The key that signs now."""
        return self._held[-1]

    @property
    def jwks(self) -> dict[str, Any]:
        """The key set document (RFC 7517 section 5), in the order of publication."""
        with self._lock:
            return {"keys": list(self._published)}

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata document (RFC 8414 section 2), as this issuer would publish it by HTTP."""
        base = self.identifier.rstrip("/")
        return {
            "issuer": self.identifier,
            "jwks_uri": f"{base}/jwks",
            "introspection_endpoint": f"{base}/introspect",
            "token_endpoint": f"{base}/token",
            "response_types_supported": ["code"],
        }

    def rotate(self, algorithm: str | None = None) -> SigningKey:
        """Publish a new key and sign with it from now on; the former ones stay published."""
        key = _POOL.borrow(algorithm or self.algorithm)
        with self._lock:  # in one step: another thread must not sign with a key that is not published yet
            self._published.append(key.jwk)
            self._held.append(key)
        self._tell_keys_changed()
        return key

    def publish(self, *keys: Mapping[str, Any]) -> None:
        """Add ``keys`` to the key set just as they are, usable or not."""
        with self._lock:
            self._published.extend(keys)
        self._tell_keys_changed()

    def withdraw(self, kid: str | None = None) -> None:
        """Take the key ``kid`` (the one that signs now, if none is named) out of the key set.

        Tokens signed with it are inactive from now on: an issuer withdraws a key that it no longer trusts.
        """
        gone = kid or self.signing_key.kid
        with self._lock:
            self._published = [key for key in self._published if key.get("kid") != gone]
        self._tell_keys_changed()

    # ── what becomes of tokens ───────────────────────────────────────────────────────────────────────────

    def revoke(self, raw: str) -> None:
        """Make ``raw`` inactive and tell the guards in this process. A local check still accepts it."""
        with self._lock:
            self._revoked.add(raw)
            listeners = list(self._listeners)
        token_id = (self._read_own(raw) or {}).get("jti")
        if isinstance(token_id, str):
            for listener in listeners:
                listener.tokens_revoked([token_id])

    def answer(self, raw: str, members: Mapping[str, Any]) -> None:
        """From now on, introspection of ``raw`` answers exactly ``members``, true or not, well-formed or not."""
        with self._lock:
            self._answers[raw] = members

    # ── outages ──────────────────────────────────────────────────────────────────────────────────────────

    def go_down(self, error: UnavailableError | None = None) -> None:
        """Answer every call with ``error`` (unreachable, unless another is given) until :meth:`come_back`."""
        self._outage = error or UnavailableError("unreachable", "the issuer in memory was told to be down")

    def come_back(self) -> None:
        """End what :meth:`go_down` began."""
        self._outage = None

    @contextmanager
    def outage(self, error: UnavailableError | None = None) -> Iterator[None]:
        """The issuer is down during a ``with`` block."""
        self.go_down(error)
        try:
            yield
        finally:
            self.come_back()

    # ── what a guard asks: IIssuer ───────────────────────────────────────────────────────────────────────

    def fetch_keys(self) -> KeyDocument:
        """The key set now in force.

        :raises UnavailableError: while it is down.
        """
        self._count("fetch_keys")
        return KeyDocument(tuple(self.jwks["keys"]), self.max_age)

    def introspect(self, raw: str) -> Mapping[str, Any]:
        """The answer of RFC 7662 section 2.2 about ``raw``; ``{"active": False}`` for a token that is not valid now.

        :raises UnavailableError: while it is down.
        """
        self._count("introspect")
        if raw in self._answers:
            return self._answers[raw]
        claims = self._read_own(raw)
        if claims is None or raw in self._revoked or not _is_current(claims):
            return {"active": False}
        return {"active": True, "token_type": "Bearer", **claims}

    def subscribe(self, listener: Any) -> None:
        """Tell ``listener`` (:class:`~pyramid_oauthguard.interfaces.IIssuerListener`) about changes, from now on."""
        with self._lock:
            self._listeners.append(listener)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()

    def _build_claims(self) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self.identifier,
            "sub": "test-user",
            "aud": self.audience,
            "client_id": self.client_id,
            "iat": now,
            "exp": now + 600,
            "jti": secrets.token_urlsafe(12),
        }

    def _read_own(self, raw: str) -> Mapping[str, Any] | None:
        """The claims of ``raw`` if this issuer made it, or None."""
        if raw in self._opaque:
            return self._opaque[raw]
        with self._lock:
            published = {key.get("kid") for key in self._published}
            keys = [key for key in self._held if key.kid in published]
        try:
            return read_claims(raw) if any(is_signed_by(raw, key) for key in keys) else None
        except ValueError:  # signed, but not a JWT
            return None

    def _count(self, question: str) -> None:
        with self._lock:
            self.calls[question] += 1
        if self._outage is not None:
            raise self._outage

    def _tell_keys_changed(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.keys_changed()


def _is_current(claims: Mapping[str, Any]) -> bool:
    now = time.time()
    times = claims.get("exp", now + 1), claims.get("nbf", now)
    if not all(isinstance(each, (int, float)) for each in times):
        return True  # values that can't be compared are left for the guard to refuse
    return bool(times[1] <= now < times[0])
