"""The guard's own check of one mode: by the one issuer that a token names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from zope.interface import implementer

from ...access_token import AccessToken
from ...interfaces import Credential, ICredentialVerifier
from ...issuers.registry import IssuerRegistry

__all__ = ["ChosenVerifier", "Recall", "Verifier"]

#: An Authorization header's token, if it was verified before and is as good as then.
Recall = Callable[[str | None], AccessToken | None]


class Verifier(Protocol):
    """A check by one issuer."""

    def verify(self, credential: Credential) -> AccessToken: ...
    def recall(self, header: str | None) -> AccessToken | None: ...


@implementer(ICredentialVerifier)
class ChosenVerifier:
    """Leaves each token to the verifier, of this mode, of its issuer.

    :ivar recall: what the verifiers remember. With one issuer it is its verifier's own, so that a token that was verified
        before costs no more than there.
    """

    def __init__(self, issuers: IssuerRegistry[Mapping[str, Verifier]], mode: str) -> None:
        self._issuers = issuers
        self._mode = mode
        verifiers = [each[mode] for each in issuers.list_parts()]
        self._only = verifiers[0] if len(verifiers) == 1 else None
        recalls = [each.recall for each in verifiers]
        self.recall: Recall = recalls[0] if len(recalls) == 1 else lambda header: _recall_any(recalls, header)

    def verify(self, credential: Credential) -> AccessToken:
        """The verified token.

        :raises InvalidToken: it names no issuer of ours, or its issuer's verifier refuses it.
        :raises UnavailableError: its issuer can't be asked.
        """
        only = self._only
        if only is not None:  # the usual case: to ask the registry would take a hundredth of the whole check
            return only.verify(credential)
        return self._issuers.choose(credential).parts[self._mode].verify(credential)


def _recall_any(recalls: Sequence[Recall], header: str | None) -> AccessToken | None:
    return next((token for recall in recalls if (token := recall(header)) is not None), None)
