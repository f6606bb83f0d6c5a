"""The interfaces that applications can implement: zope interfaces that are also the keys in Pyramid's registry.

The guard, the authorization server and the applications meet here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from zope.interface import Attribute, Interface

__all__ = [
    "Credential",
    "Finding",
    "ICredentialCheck",
    "ICredentialVerifier",
    "IEmbeddedIssuer",
    "IHealthProbes",
    "IIssuer",
    "IIssuerListener",
    "IOAuthStore",
    "ISelfCheck",
    "ITokenRequirement",
    "ITokenVerifier",
    "ITokensOnPages",
    "IssuedTokens",
    "KeyDocument",
    "ProofFacts",
    "Step",
]


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """A key set as an issuer publishes it (RFC 7517 section 5), unchecked.

    :ivar keys: the members of ``keys``; each may be unusable.
    :ivar max_age: for how many seconds the issuer lets it be kept, or None where it does not say.
    """

    keys: tuple[Mapping[str, Any], ...]
    max_age: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedTokens:
    """What the access tokens of an issuer in this process can be.

    :ivar audiences: each audience that a token can have today.
    :ivar scopes: each scope that a token can have.
    :ivar is_opaque: whether only introspection can read them.
    """

    audiences: frozenset[str]
    scopes: frozenset[str]
    is_opaque: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofFacts:
    """What a proof of possession is compared with. A member that is not known is None.

    :ivar method: the method of the request.
    :ivar url: its URL without query and fragment (``htu`` of RFC 9449 section 4.2).
    :ivar certificate: the client's certificate of the TLS connection, in PEM (RFC 8705 section 3).
    """

    method: str | None = None
    url: str | None = None
    certificate: str | None = None


class Credential(NamedTuple):
    """A token in a request, and the facts that may prove that the caller is its owner.

    A named tuple, because one is made for each request with a token that was not seen before, and a frozen dataclass takes
    three times as long. Two are equal if all but ``find_facts`` is.

    :ivar scheme: the authentication scheme in its registered spelling, such as ``Bearer``.
    :ivar characters: the token, unchecked. Not shown by ``repr``.
    :ivar source: where it came from: ``header``, or ``argument`` where no request brought it.
    :ivar find_facts: the facts of the request that a proof needs. They are worked out at each call, so that a token that
        needs no proof does not pay for them.
    """

    scheme: str
    characters: str
    source: str
    find_facts: Callable[[], ProofFacts] = ProofFacts

    def __repr__(self) -> str:
        return f"Credential(scheme={self.scheme!r}, source={self.source!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Credential) and self[:3] == other[:3]

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self[:3])


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a self-check.

    :ivar level: ``"ok"``, ``"warning"`` (it works, but should be changed) or ``"error"`` (requests will be refused).
    :ivar subject: a setting, a view or an endpoint: the checked thing.
    :ivar hint: what to do; empty if there is nothing to do.
    :ivar status: the exit status of a command that ends because of it.
    """

    level: str
    subject: str
    text: str
    hint: str = ""
    status: int = 1


@dataclass(frozen=True, slots=True)
class Step(Finding):
    """Names what is checked next, in ``subject``. It is shown only if that check does not end in time."""


class ISelfCheck(Interface):
    """A check of a configured application; a named utility that ``oauthguard check`` calls."""

    def __call__(registry: object) -> object:
        """An iterable of :class:`Finding` about the application of ``registry``. Raises nothing.

        A :class:`Step` before a check that may take long gives it a name.
        """


class IHealthProbes(Interface):
    """What the health view looks at; a named utility. The guard and the server have one each, an application may add its own."""

    def __call__(registry: object) -> object:
        """An iterable of :class:`~pyramid_oauthguard.health.probes.Probe` about the application of ``registry``. Called once.
        Sends no request.
        """


class IIssuer(Interface):
    """One token issuer, as the guard sees it.

    Registered as a utility named by its issuer identifier. Where none is registered the guard talks to the
    issuer over HTTP; an authorization server in the same process registers itself, so that a server never
    waits for itself.
    """

    identifier = Attribute("The issuer identifier, compared byte for byte with ``iss``.")

    def fetch_keys() -> object:  # type: ignore[misc]
        """The key set now in force, as :class:`KeyDocument`.

        Raises :class:`~pyramid_oauthguard.errors.UnavailableError`.
        """

    def introspect(raw: str) -> object:
        """The answer of RFC 7662 section 2.2 about the token ``raw``, as a mapping.

        Raises :class:`~pyramid_oauthguard.errors.UnavailableError`.
        """

    def subscribe(listener: object) -> None:
        """Tell ``listener`` (:class:`IIssuerListener`) about changes. An issuer that does not detect changes may ignore this."""


class IEmbeddedIssuer(IIssuer):
    """An issuer whose authorization server runs in the guard's own process."""

    def derive_cache_key() -> object:  # type: ignore[misc]
        """32 bytes, the same in every process of this authorization server and unpredictable for any other program.

        The guard seals its entries in shared caches with it. It must not be a key that anything else uses.
        """

    def describe_tokens() -> object:  # type: ignore[misc]
        """What its tokens can be, as :class:`IssuedTokens`, for ``oauthguard check``.

        Raises :class:`~pyramid_oauthguard.errors.UnavailableError`.
        """


class IIssuerListener(Interface):
    """What an issuer in the same process tells its guard."""

    def tokens_revoked(token_ids: object) -> None:
        """The tokens with these ``jti`` (an iterable of str) were revoked, and this is committed."""

    def keys_changed() -> None:  # type: ignore[misc]
        """The signing keys changed: a remembered key set is no longer valid."""


class ICredentialVerifier(Interface):
    """Turns a :class:`Credential` into an AccessToken; registered as a utility named by its mode."""

    def verify(credential: object) -> object:
        """The :class:`~pyramid_oauthguard.access_token.AccessToken`, or one of the errors raised."""


class ICredentialCheck(Interface):
    """How the server asks the guard about a token that came with a request to one of its own endpoints; a utility of the guard."""

    def __call__(environ: object, credential: object, mode: str) -> object:
        """The :class:`~pyramid_oauthguard.access_token.AccessToken` of a :class:`Credential`, checked as for a view with
        ``token_check=mode`` at the path of ``environ``: also whether it is for the resource that the path belongs to.

        Raises one of the errors.
        """


class ITokenVerifier(Interface):
    """Turns the characters of a token into an AccessToken; ``config.set_token_verifier`` takes one."""

    def verify(raw: str) -> object:
        """The :class:`~pyramid_oauthguard.access_token.AccessToken`, or one of the errors raised."""


class ITokenRequirement(Interface):
    """A factory of requirements, registered as a utility named by the key used in ``token_require``."""

    def __call__(value: object) -> object:
        """``callable(access_token)`` that returns None or raises InsufficientScope.

        Called once a view at start-up; raises ValueError when ``value`` can't be a requirement.
        """


class ITokensOnPages(Interface):
    """How the guard is told that a request is for a page that accepts users and no tokens; a utility where tokens may be
    in cookies or in headers of proxies.
    """

    def __call__(request: object) -> None:
        """From now on, no token is found in a cookie of this request or in a header of a proxy. One that was found before is
        forgotten. Raises nothing.
        """


class IOAuthStore(Interface):
    """Where an authorization server keeps clients, grants, tokens and keys; ``config.set_oauth_store`` takes one.

    A store opens units, and a unit is one transaction: what is done in one ``with`` is committed together or not at all.
    The methods of a unit are in :class:`pyramid_oauthguard.server.store.contract.Unit`. Every failure of
    the storage is raised as :class:`~pyramid_oauthguard.errors.UnavailableError`; a store raises nothing else
    for any text of a request. Several threads and processes use a store at the same time; each unit is used by one.
    """

    def reading() -> object:  # type: ignore[misc]
        """A context manager: a unit that only reads. It sees every commit that ended before the unit was opened."""

    def writing() -> object:  # type: ignore[misc]
        """A context manager: a unit that commits at its end and rolls back on an exception.

        A transaction of its own whatever the application's does, because a revocation must outlive the rollback that a
        4xx answer causes under pyramid_tm. Callbacks given to ``unit.after_commit`` run once it is committed.
        """

    def join(manager: object) -> object:
        """A context manager: a unit in the transaction of ``manager`` (``request.tm``), committed or not with it."""
