"""The guard's own check of one mode: by the one issuer that a token names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Protocol

from zope.interface import implementer

from ...access_token import AccessToken
from ...errors import InvalidToken, OAuthGuardError
from ...interfaces import Credential, ICredentialVerifier
from ...issuers.registry import IssuerRegistry
from ...jwt.jws import Jwt
from .remote import Verifier

__all__ = ["ChosenVerifier", "Recall", "Tenants", "Verifier", "Verifiers"]

#: An Authorization header's token, if it was verified before and is as good as then.
Recall = Callable[[str | None], AccessToken | None]

#: In characters. Of a JWT, they are a part of its signature.
_END: Final = 32


#: The verifiers of one issuer, by mode.
Verifiers = Mapping[str, Verifier]


class Tenants(Protocol):
    """The verifiers of an issuer whose identifier has a placeholder."""

    def find(self, value: str | None) -> Verifiers: ...


@implementer(ICredentialVerifier)
class ChosenVerifier:
    """Leaves each token to the verifier, of this mode, of its issuer.

    :param sources: by the issuer's name, the places that its tokens may come from; None where there is the usual one only.
    :param memory: of how many tokens it is remembered which of several issuers verified them.
    :ivar recall: what the verifiers remember. With one issuer it is its verifier's own, so that a token that was verified
        before costs no more than there.
    """

    def __init__(
        self,
        issuers: IssuerRegistry[Any],
        mode: str,
        *,
        sources: Mapping[str | None, Collection[str]] | None = None,
        memory: int = 10_000,
    ) -> None:
        self._issuers = issuers
        self._mode = mode
        self._sources = sources
        found = issuers.find_only()
        only: Verifier | None = None if found is None else found.parts[mode]
        if found is not None and sources is not None:
            only = _SourcedVerifier(found.parts[mode], sources[found.name])
        self._verify_only = None if only is None else only.verify
        # By the hash of the token's end, which is quickly made: the owner recalls nothing of another token that ends so.
        self._owners: dict[int, Verifier] = {}
        self._memory = memory
        self.recall: Recall = self._recall if only is None else only.recall

    def verify(self, credential: Credential) -> AccessToken:
        """The verified token.

        :raises InvalidToken: it names no issuer of ours, or its issuer's verifier refuses it.
        :raises UnavailableError: its issuer can't be asked.
        """
        verify_only = self._verify_only
        if verify_only is not None:  # the usual case: to ask the registry would take a hundredth of the whole check
            return verify_only(credential)
        raw, sources = credential.characters, self._sources
        end = hash(raw[-_END:])
        if end in self._owners:  # if events have subscribers, the policy did not ask for remembered tokens before
            known = self._recall(f"{credential.scheme} {raw}")
            if known is not None:
                if sources is not None:
                    _check_source(credential, sources[known.issuer_name])
                return known
        choice, jwt = self._issuers.choose(raw)
        if sources is not None:
            _check_source(credential, sources[choice.issuer.name])
        parts = choice.issuer.parts
        verifiers: Verifiers = parts if choice.issuer.template is None else parts.find(choice.value)
        owner = verifiers[self._mode]
        try:
            token = owner.verify(credential, jwt)
        except OAuthGuardError as error:
            error.issuer_name = choice.issuer.name
            raise
        if len(self._owners) >= self._memory:
            self._owners.clear()  # to drop one would cost each new token more than to be looked for again costs an old one
        self._owners[end] = owner
        return token

    def _recall(self, header: str | None) -> AccessToken | None:
        if header is None:
            return None
        end = hash(header[-_END:])
        owner = self._owners.get(end)
        if owner is None:
            return None
        token = owner.recall(header)
        if token is None:
            self._owners.pop(end, None)  # so that it is not asked a second time before it verifies the token
        return token


class _SourcedVerifier:
    """The verifier of the only issuer, for tokens that come from where its tokens may come from. It is asked each time."""

    def __init__(self, verifier: Verifier, sources: Collection[str]) -> None:
        self._verifier = verifier
        self._sources = sources

    def verify(self, credential: Credential, jwt: Jwt | None = None) -> AccessToken:
        _check_source(credential, self._sources)
        return self._verifier.verify(credential, jwt)

    def recall(self, _header: str | None) -> AccessToken | None:
        return None


def _check_source(credential: Credential, sources: Collection[str]) -> None:
    """A token that no request brought may come from anywhere. :raises InvalidToken: it is in a place for other issuers."""
    if credential.source not in sources and credential.source != "argument":
        raise InvalidToken("wrong_source")
