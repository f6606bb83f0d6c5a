"""KeySource: the issuer's signing keys, prepared, and steady when the issuer is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dogpile.cache import CacheRegion

from ..errors import InvalidToken, UnavailableError
from ..interfaces import KeyDocument
from ..jwt.jws import Thumbprints
from ..jwt.keyset import KeySet, build_key_set, find_candidates, find_fault
from ..jwt.verify import Candidates
from ..strict_json import check_depth
from ..telemetry.counting import PLAIN
from .kept import Fetched, Kept

__all__ = ["KeySource"]

_ENTRY: Final = "jwks"
_MOST_FAULTS: Final = 3
_LONGEST_FAULT: Final = 100


class KeySource:
    """The keys in force.

    For unknown kids and for signatures of no known key, one attempt is made in each cool-down, and for unknown kids one more after a
    successful one: a key may have begun to sign just after the set was fetched. A failed or empty answer never replaces a good set. Tokens that a
    known key signed never wait for any of that.

    :param fetch: asks the issuer; raises UnavailableError.
    :param is_embedded: whether the issuer runs in this process. It is then asked every second, past the cache.
    :param lifetime: seconds a set is good for; the issuer's ``max-age`` can only shorten it.
    :param cooldown: seconds between two attempts.
    :param label: of the issuer, under which fetches are counted.
    :param max_stale: seconds after its fetch that a set may serve while the issuer is down.
    :ivar kept: the set; the same object as long as the keys are the same.
    """

    def __init__(
        self,
        fetch: Callable[[], KeyDocument],
        region: CacheRegion,
        *,
        algorithms: tuple[str, ...],
        lifetime: float,
        cooldown: float,
        max_stale: float,
        uses: tuple[str, ...] = ("sig",),
        is_embedded: Callable[[], bool] = lambda: False,
        label: str = PLAIN,
    ) -> None:
        self._fetch = fetch
        self._algorithms = algorithms
        self._uses = uses
        self.kept: Kept[KeySet] = Kept(
            "keys",
            region,
            ask=self._ask,
            read=self._read,
            entry=_ENTRY,
            lifetime=lifetime,
            cooldown=cooldown,
            max_stale=max_stale,
            is_embedded=is_embedded,
            label=label,
        )

    def find(
        self, algorithm: str, kid: str | None, thumbprints: Thumbprints = (), *, issuer: str | None = None
    ) -> tuple[KeySet, Candidates]:
        """The set and its keys that may have signed a token with this header.

        :param issuer: the issuer of the token. A key that belongs to another one is not used.
        :raises InvalidToken: no key fits, and the issuer was asked recently enough.
        :raises UnavailableError: no key fits and the issuer can't be asked.
        """
        attempts = self.kept.attempts.count
        keys = self.kept.require(time.time())
        found = keys.find(algorithm, kid, thumbprints, issuer=issuer)
        if not found and not keys.knows(kid, thumbprints):
            keys = self.kept.ask_again(keys, attempts)
            found = find_candidates(keys, algorithm, kid, thumbprints, issuer=issuer)
        elif not found and self.kept.attempts.count == attempts:  # a key may keep its name and change its algorithm
            keys, found = self.find_newer(keys, algorithm, kid, thumbprints, issuer=issuer) or (keys, found)
        if not found:
            raise InvalidToken("unknown_key")
        return keys, found

    def find_newer(
        self, seen: KeySet, algorithm: str, kid: str | None, thumbprints: Thumbprints = (), *, issuer: str | None = None
    ) -> tuple[KeySet, Candidates] | None:
        """Like :meth:`find`, for a token that was signed by no key of ``seen``: the issuer may have a newer key, also one with the
        name of an old one. This uses the attempts for unknown kids; a token that names a key of ``seen`` is most probably forged
        and gets no extra attempt. None if there are no other keys.

        :raises UnavailableError: the token names no key of ``seen``, and the issuer can't be asked.
        """
        if seen.names(kid, thumbprints) and self.kept.attempts.is_cooling(time.time()):
            return None
        try:
            keys = self.kept.ask_again(seen, self.kept.attempts.count)
        except UnavailableError:
            if seen.names(kid, thumbprints):
                return None
            raise
        return None if keys is seen else (keys, find_candidates(keys, algorithm, kid, thumbprints, issuer=issuer))

    def _ask(self) -> Fetched[KeySet]:
        document = self._fetch()
        check_depth(document.keys)
        keys = build_key_set(document.keys, self._algorithms, uses=self._uses)
        if not keys:
            text = f"the issuer's key set has no key usable here{self._describe_faults(document.keys)}"
            raise UnavailableError("no_usable_keys", text, retry_after=30, lasting=True)
        return Fetched(keys, {"keys": list(document.keys)}, document.max_age)

    def _describe_faults(self, keys: Sequence[object]) -> str:
        """Why the first keys are not used, for the log."""
        faults = [find_fault(each, self._algorithms, self._uses) or "it is not used" for each in keys[:_MOST_FAULTS]]
        return ": " + "; ".join(each[:_LONGEST_FAULT] for each in faults) if faults else ""

    def _read(self, entry: Mapping[str, Any]) -> KeySet | None:
        return build_key_set(entry.get("keys"), self._algorithms, uses=self._uses) or None
