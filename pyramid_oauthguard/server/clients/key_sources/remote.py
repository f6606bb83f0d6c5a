"""Key sets of clients at a ``jwks_uri`` (RFC 7591 section 2), fetched when they are needed and kept for an hour at most."""

from __future__ import annotations

from typing import Final

from ....bounded import BoundedMap
from ....caching import build_region
from ....errors import UnavailableError
from ....fetch import Fetcher
from ....interfaces import KeyDocument
from ....issuers.keys import KeySource
from ....jwt.algorithms import ALGORITHMS
from ....jwt.jws import Thumbprints
from ....jwt.verify import Candidates
from ....network.meaning import find_environment_proxy

__all__ = ["RemoteKeys"]

_MAX_URIS: Final = 1000
_KEEP_SECONDS: Final = 3600.0
_COOLDOWN_SECONDS: Final = 30.0
_TIMEOUT_SECONDS: Final = 5.0
_MAX_BYTES: Final = 65_536


class RemoteKeys:
    """The key sets by their URIs. Operators register the URIs; what a client says about itself is never fetched here."""

    def __init__(self) -> None:
        self._fetcher = Fetcher(timeout=_TIMEOUT_SECONDS, max_bytes=_MAX_BYTES, proxy=find_environment_proxy())
        self._sources = BoundedMap(_MAX_URIS)

    def find(self, uri: str, algorithm: str, kid: str | None, thumbprints: Thumbprints = ()) -> Candidates:
        """The keys that may have made a signature.

        :raises InvalidToken: no key fits.
        :raises UnavailableError: the keys can't be fetched.
        """
        source: KeySource | None = self._sources.get(uri)
        if source is None:
            source = self._build(uri)
            self._sources.set(uri, source)
        _set, candidates = source.find(algorithm, kid, thumbprints)
        return candidates

    def _build(self, uri: str) -> KeySource:
        return KeySource(
            lambda: self._fetch(uri),
            build_region("jwks", {}, expiration_time=_KEEP_SECONDS, secret=""),
            algorithms=ALGORITHMS,
            lifetime=_KEEP_SECONDS,
            cooldown=_COOLDOWN_SECONDS,
            max_stale=_KEEP_SECONDS,
        )

    def _fetch(self, uri: str) -> KeyDocument:
        answer = self._fetcher.get(uri)
        keys = answer.body.get("keys")
        if answer.status != 200 or not isinstance(keys, list):
            raise UnavailableError("bad_jwks", f"{uri} answered {answer.status} without a key set", retry_after=30)
        return KeyDocument(tuple(keys), answer.max_age)
