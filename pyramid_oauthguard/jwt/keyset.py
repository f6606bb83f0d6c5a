"""One key set, judged and prepared: which key may verify which algorithm (RFC 7517; RFC 8725 section 3).

All verifiers use it: the guard with its issuer's keys, the authorization server with a client's,
the command with those of the issuer that it inspects a token of.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from joserfc.jwk import ECKey, OKPKey, RSAKey

from .algorithms import ALGORITHMS, FITTING, is_same
from .jws import Thumbprints
from .key_issuer import fits_issuer
from .key_strength import check_strength
from .thumbprints import find_thumbprints
from .verify import MAX_CHECKS, Candidates, LimitedCandidates, Verify, bind

__all__ = ["KeySet", "build_key_set", "find_candidates", "find_fault", "find_secret_members"]

_IMPORTERS: Final[dict[str, Any]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
#: A prime alone gives the whole private key away (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1).
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_USES: Final = ("sig",)
#: The members that hold the key itself, by ``kty``.
_NUMBERS: Final = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class _Key:
    kid: str | None
    verify: Mapping[str, Verify]  # by algorithm
    thumbprints: Mapping[str, str]
    issuer: str | None  # the only one whose tokens it verifies, perhaps with a placeholder

    def differs(self, name: str, value: str) -> bool:
        """Whether its thumbprint is known and another one. Some issuers publish it as the kid alone."""
        return self.thumbprints.get(name, value) != value and self.kid != value

    def bears(self, name: str, value: str) -> bool:
        """Whether its thumbprint, or its kid, is this one."""
        return value in (self.thumbprints.get(name), self.kid)

    def is_of(self, issuer: str | None) -> bool:
        """Whether it may verify tokens of ``issuer``."""
        return self.issuer is None or (issuer is not None and fits_issuer(self.issuer, issuer))


class KeySet:
    """The usable keys of one document. Equal to another set made of the same usable keys."""

    def __init__(self, keys: Iterable[_Key], fingerprint: str, *, max_tried: int) -> None:
        self._fingerprint = fingerprint
        self._max_tried = max_tried
        self._named: dict[str | None, list[_Key]] = {}
        for key in keys:
            self._named.setdefault(key.kid, []).append(key)
        self._nameless = self._named.keys() == {None}
        self._belong = any(key.issuer is not None for named in self._named.values() for key in named)
        self._all = [key for named in self._named.values() for key in named]

    def __len__(self) -> int:
        return len(self._all)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeySet) and other._fingerprint == self._fingerprint

    __hash__ = None  # type: ignore[assignment]  # compared, never looked up

    def has(self, kid: str) -> bool:
        """Whether a usable key bears this name, for whatever algorithm."""
        return kid in self._named

    def knows(self, kid: str | None, thumbprints: Thumbprints) -> bool:
        """Whether another key set would not help: the key that a token names is here, or the token names no key."""
        if kid is not None:
            return self.has(kid)
        return not thumbprints or any(key.bears(*thumbprints[0]) for key in self._all)

    def names(self, kid: str | None, thumbprints: Thumbprints) -> bool:
        """Whether one of the keys here has the name that a token gives its key."""
        if kid is not None and self.has(kid):
            return True
        return bool(thumbprints) and any(key.bears(*thumbprints[0]) for key in self._all)

    def find(
        self, algorithm: str, kid: str | None, thumbprints: Thumbprints = (), *, issuer: str | None = None
    ) -> Candidates:
        """The checks that fit, at most as many as may be tried: of the keys named ``kid``, or of any when the token or no
        key has a name.

        :param thumbprints: what the token says about the certificate of its key. It narrows the choice, also to nothing where
            the token has no kid.
        :param issuer: the issuer of the token. A key that belongs to another one is not used.
        """
        keys: Sequence[_Key] = self._all if not kid or self._nameless else self._named.get(kid, ())
        if self._belong:
            keys = [key for key in keys if key.is_of(issuer)]
        for name, value in thumbprints:
            keys = _narrow(keys, name, value) or (keys if kid else ())
        found = tuple(key.verify[algorithm] for key in keys if algorithm in key.verify)
        return found if len(found) <= self._max_tried else LimitedCandidates(found[: self._max_tried])

    def describe(self) -> list[tuple[str | None, tuple[str, ...]]]:
        """Each key's name and the algorithms it verifies, for people."""
        return [(key.kid, tuple(key.verify)) for key in self._all]


def _narrow(keys: Sequence[_Key], name: str, value: str) -> list[_Key]:
    """Those of ``keys`` with this thumbprint; without any, those whose thumbprint is not known."""
    return [key for key in keys if key.bears(name, value)] or [key for key in keys if not key.differs(name, value)]


def build_key_set(
    documents: object, algorithms: Iterable[str], *, max_tried: int = MAX_CHECKS, uses: Collection[str] = _USES
) -> KeySet:
    """The keys that may verify signatures under ``algorithms``; whatever else is there is passed over.

    One key that is malformed, private, symmetric, too small or of an unknown kind does not spoil the rest
    (RFC 7517 section 5).

    :param max_tried: how many keys are tried for one token. More than the default is for sets whose size is bounded, and
        for those whom a token of an attacker may cost more.
    :param uses: values of a key's ``use`` that are accepted.
    """
    allowed = tuple(algorithms)
    keys: dict[str, _Key] = {}
    for document in documents if isinstance(documents, (list, tuple)) else ():
        try:
            key = _prepare(document, allowed, uses)
            keys[_fingerprint(document)] = key
        except (ValueError, RecursionError):
            continue  # its members may be nested as deeply as could just be parsed
    fingerprint = hashlib.sha256("".join(sorted(keys)).encode()).hexdigest()
    return KeySet(keys.values(), fingerprint, max_tried=max_tried)


def find_candidates(
    keys: KeySet, algorithm: str, kid: str | None, thumbprints: Thumbprints, *, issuer: str | None = None
) -> Candidates:
    """The keys that may have signed a token with this header. A thumbprint that no key has is not a reason to refuse: some
    issuers write it in a form of their own.
    """
    return keys.find(algorithm, kid, thumbprints, issuer=issuer) or keys.find(algorithm, kid, issuer=issuer)


def find_fault(document: object, algorithms: Iterable[str] = ALGORITHMS, uses: Collection[str] = _USES) -> str | None:
    """Why a key can't verify anything under ``algorithms``, as a sentence about "it"; None where it can."""
    try:
        _prepare(document, tuple(algorithms), uses)
    except ValueError as error:
        return str(error)
    except RecursionError:
        return "its members are nested too deeply"
    return None


def find_secret_members(document: Mapping[str, Any]) -> list[str]:
    """The members by which a key is private or symmetric."""
    return sorted(_PRIVATE_MEMBERS.intersection(document))


def _fingerprint(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _prepare(document: object, allowed: tuple[str, ...], uses: Collection[str]) -> _Key:
    """:raises ValueError: why it can't verify anything."""
    if not isinstance(document, Mapping):
        raise ValueError("it is not an object")
    _check_members(document, uses)
    names = _list_algorithms(document)
    usable = [name for name in allowed if name in names]
    if not usable:
        raise ValueError("no algorithm that it is for is allowed")
    key = _import(document)
    checks = {name: bind(name, key) for name in usable}
    return _Key(document.get("kid") or None, checks, find_thumbprints(document), document.get("issuer"))


def _check_members(document: Mapping[str, Any], uses: Collection[str]) -> None:
    """``use`` and ``key_ops`` allow it, and it is not private (RFC 7517 sections 4.2 and 4.3)."""
    if not isinstance(document.get("kid", ""), str):
        raise ValueError("its kid is not text")
    secret = find_secret_members(document)
    if secret:
        raise ValueError(f"it is private or symmetric: it has {' '.join(secret)}")
    if not isinstance(document.get("issuer", ""), str):
        raise ValueError("its issuer is not text")
    if "use" in document and document["use"] not in tuple(uses):
        raise ValueError(f"its use is {document['use']!r}, not {' or '.join(uses)}")
    operations = document.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("its key_ops do not include verify")


def _list_algorithms(document: Mapping[str, Any]) -> list[str]:
    """What a key is for. One that names its algorithm is for that one only (RFC 8725 section 3.1)."""
    kind, curve = document.get("kty"), document.get("crv")
    if kind not in list(_IMPORTERS):  # not a look-up: it may be a list
        raise ValueError(f"its kty {kind!r} is not supported")
    fitting = [name for name, (kty, curves) in FITTING.items() if kty == kind and curve in curves]
    if not fitting:
        raise ValueError(f"its crv {curve!r} is not supported")
    names = [name for name in fitting if is_same(document.get("alg", name), name)]
    if not names:
        raise ValueError(f"its alg {document['alg']!r} does not fit its kty or crv")
    return names


def _import(document: Mapping[str, Any]) -> Any:
    """The key as joserfc's. Only what is needed is handed over: an odd extra member must not cost the key."""
    wanted = {name: document[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in document}
    try:
        key = _IMPORTERS[wanted["kty"]].import_key(wanted)
        public = key.public_key
    except Exception:  # noqa: BLE001  # whatever a library says of one bad key, the others must serve
        raise ValueError(f"it is malformed{_find_malformed(document)}") from None
    try:
        check_strength(public)
    except ValueError as error:
        raise ValueError(f"it {error}") from None
    return key


def _find_malformed(document: Mapping[str, Any]) -> str:
    """Which member is missing or not written as RFC 7518 section 6 says; empty where that is not the cause."""
    names = _NUMBERS[document["kty"]]
    missing = [name for name in names if name not in document]
    if missing:
        certificate = ", only a certificate (x5c)" if document.get("x5c") else ""
        return f": it has no {' and no '.join(missing)}{certificate}"
    odd = [name for name in names if not isinstance(document[name], str) or not _BASE64URL.fullmatch(document[name])]
    return f": its {odd[0]} is not base64url without padding" if odd else ""
