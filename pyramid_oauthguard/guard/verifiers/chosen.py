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
Verify = Callable[[Credential], AccessToken]


class Verifier(Protocol):
    """A check by one issuer."""

    def verify(self, credential: Credential) -> AccessToken: ...
    def recall(self, header: str | None) -> AccessToken | None: ...


@implementer(ICredentialVerifier)
class ChosenVerifier:
    """Leaves each token to the verifier, of this mode, of its issuer.

    :ivar verify: the check of a credential. With one issuer it is its verifier's own, so that it costs no more than there.
    :ivar recall: what the verifiers remember; the same holds for it.
    """

    def __init__(self, issuers: IssuerRegistry[Mapping[str, Verifier]], mode: str) -> None:
        self._issuers = issuers
        self._mode = mode
        verifiers = [each[mode] for each in issuers.list_parts()]
        recalls = [each.recall for each in verifiers]
        is_alone = len(verifiers) == 1
        self.verify: Verify = verifiers[0].verify if is_alone else self._verify
        self.recall: Recall = recalls[0] if is_alone else lambda header: _recall_any(recalls, header)

    def _verify(self, credential: Credential) -> AccessToken:
        """The verified token.

        :raises InvalidToken: it names no issuer of ours, or its issuer's verifier refuses it.
        :raises UnavailableError: its issuer can't be asked.
        """
        return self._issuers.choose(credential).parts[self._mode].verify(credential)


def _recall_any(recalls: Sequence[Recall], header: str | None) -> AccessToken | None:
    return next((token for recall in recalls if (token := recall(header)) is not None), None)
