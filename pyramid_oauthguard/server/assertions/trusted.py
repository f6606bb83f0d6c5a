"""Who may assert users: the issuers of the settings, each with its keys, and clients with the keys of their registration."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from ...caching import build_region
from ...errors import InvalidToken, UnavailableError
from ...issuers.http_issuer import build_http_issuer
from ...issuers.keys import KeySource
from ...issuers.settings import IssuerSettings
from ...jwt.verify import build_refusal, is_signed
from ..clients.key_sources.remote import RemoteKeys
from ..clients.key_sources.shared import open_shared_key
from ..clients.keys import build_client_keys
from ..hashing import Pepper
from ..http.errors import OAuth2Error, ServerError
from ..settings import OF_CLIENTS, AssertionIssuer
from ..store.records import Client
from .verification import Presented, Signed, read_signed, verify_claims

__all__ = ["Accepted", "TrustedIssuers"]

log = logging.getLogger("pyramid_oauthguard.server")
_HMAC: Final = "HS256"
_KEY_SECONDS: Final = 3600.0
_MAX_CHARACTERS: Final = 255  # of a user's identifier
_DAY_SECONDS: Final = 86400.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """An assertion that was accepted, with the rules of its issuer.

    :ivar subject: the ``sub`` of the tokens.
    :ivar once: the keyed hash of issuer and ``jti``, and when it may be forgotten.
    """

    subject: str
    rules: AssertionIssuer
    said: Presented
    once: tuple[bytes, float]


class TrustedIssuers:
    """The issuers of the settings by their identifiers.

    :param own: the issuer identifier of this server.
    """

    def __init__(self, issuers: Iterable[AssertionIssuer], own: str, pepper: Pepper, remote: RemoteKeys) -> None:
        self._own = own
        self._pepper = pepper
        self._remote = remote
        found = tuple(issuers)
        self._of_clients = next((each for each in found if each.name == OF_CLIENTS), None)
        named = [(each.issuer, each) for each in found if each.issuer is not None]
        self._issuers = {issuer: (each, _build_keys(issuer, each)) for issuer, each in named}

    def accept(self, client: Client, text: str) -> Accepted:
        """Judge an assertion that an authenticated client presents.

        NOT checked: that it was not used before, and that the user is active.

        :raises InvalidToken: with the rule that is broken.
        :raises UnavailableError: the keys of its issuer can't be fetched.
        """
        signed = read_signed(text)
        if signed.issuer == self._own:
            raise InvalidToken("own_issuer")
        if self._of_clients is not None and signed.issuer == client.client_id:
            rules: AssertionIssuer = self._of_clients
            _check_listed(rules, client)
            self._check_client_signature(client, signed, rules.algorithms)
        else:
            rules = self._check_issuer_signature(client, signed)
        said = verify_claims(
            signed.claims,
            audience=self._own,
            client_id=client.client_id,
            now=time.time(),
            leeway=rules.leeway,
            max_life=rules.max_life,
        )
        if rules is self._of_clients and not _may_assert(client, said.subject):
            raise InvalidToken("foreign_subject")
        once = self._pepper.hash_bearer_assertion(signed.issuer, said.token_id), said.expires_at
        return Accepted(_find_subject(rules, client, signed, said), rules, said, once)

    def _check_issuer_signature(self, client: Client, signed: Signed) -> AssertionIssuer:
        found = self._issuers.get(signed.issuer)
        if found is None:
            raise InvalidToken("unknown_issuer")
        rules, keys = found
        _check_listed(rules, client)
        header = signed.read_header(rules.algorithms)
        _set, candidates = keys.find(header.algorithm, header.kid, header.thumbprints, issuer=signed.issuer)
        signed.check_signature(lambda message, signature: is_signed(message, signature, candidates))
        return rules

    def _check_client_signature(self, client: Client, signed: Signed, algorithms: tuple[str, ...]) -> None:
        """With the client's own keys; HS256 only with a shared key that was registered for this, whatever the algorithms."""
        shared = open_shared_key(self._pepper, client)
        header = signed.read_header(algorithms if shared is None else (*algorithms, _HMAC))
        if header.algorithm == _HMAC:
            key = shared or b""
            signed.check_signature(lambda m, s: hmac.compare_digest(hmac.digest(key, m, sha256), s))
            return
        if client.jwks_uri is not None and not client.is_self_registered:
            candidates = self._remote.find(client.jwks_uri, header.algorithm, header.kid, header.thumbprints)
        elif client.jwks is not None:
            candidates = build_client_keys(client.jwks).find(header.algorithm, header.kid, header.thumbprints)
        else:
            candidates = ()
        if not candidates:
            raise build_refusal(candidates)
        signed.check_signature(lambda message, signature: is_signed(message, signature, candidates))


def _check_listed(rules: AssertionIssuer, client: Client) -> None:
    if rules.client_id and client.client_id not in rules.client_id:
        raise InvalidToken("client_not_listed")


def _find_subject(rules: AssertionIssuer, client: Client, signed: Signed, said: Presented) -> str:
    """The user of this server. Without the hook it is one that the application cannot take for its own: ``NAME/sub``."""
    if rules.subject is None:
        place = f"{OF_CLIENTS}/{_escape(client.client_id)}" if rules.name == OF_CLIENTS else rules.name
        subject = f"{place}/{_escape(said.subject)}"
        if len(subject) > _MAX_CHARACTERS:
            raise InvalidToken("bad_sub")
        return subject
    found: str | None = _ask_hook(rules, client, signed)
    if found is None:
        raise InvalidToken("refused_by_hook")
    return found


def _ask_hook(rules: AssertionIssuer, client: Client, signed: Signed) -> Any:
    """What the hook of the application returns; not checked.

    :raises ServerError: it failed, and the log says how.
    """
    hook: Any = rules.subject
    try:
        return hook(signed.issuer, client, signed.claims)
    except (InvalidToken, OAuth2Error, UnavailableError):  # it refuses, or says that something can't be reached
        raise
    except Exception:
        log.exception("the hook assertions.%s.subject failed", rules.name)
        raise ServerError("An error in the application: its log has the details.") from None


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("/", "%2F")


def _may_assert(client: Client, subject: str) -> bool:
    """Whether the client's registration has this subject: the same text, or with one ``*`` for any text that is not empty."""
    return any(_fits(pattern, subject) for pattern in client.assertion_subjects)


def _fits(pattern: str, subject: str) -> bool:
    head, star, tail = pattern.partition("*")
    if not star:
        return pattern == subject
    return len(subject) > len(head) + len(tail) and subject.startswith(head) and subject.endswith(tail)


def _build_keys(issuer: str, rules: AssertionIssuer) -> KeySource:
    settings = IssuerSettings(
        issuer=issuer,
        metadata_url=rules.metadata_url,
        jwks_uri=rules.jwks_uri,
        jwks_file=rules.jwks_file,
        introspection_endpoint=None,
        introspection_client_id=None,
        introspection_client_secret=None,
        introspection_auth_method="none",
        http_timeout=rules.http_timeout,
        http_max_bytes=rules.http_max_bytes,
        http_ca_file=rules.http_ca_file,
        http_insecure_hosts=rules.http_insecure_hosts,
        http_proxy=rules.http_proxy,
        http_headers=rules.http_headers,
        http_bearer_token_file=rules.http_bearer_token_file,
        metadata_lifetime=_DAY_SECONDS,
        keys_cooldown=rules.keys_cooldown,
    )
    return KeySource(
        build_http_issuer(settings).fetch_keys,
        build_region("jwks", {}, expiration_time=_KEY_SECONDS, secret=""),
        algorithms=rules.algorithms,
        uses=rules.key_uses,
        lifetime=_KEY_SECONDS,
        cooldown=rules.keys_cooldown,
        max_stale=rules.keys_max_stale,
    )
