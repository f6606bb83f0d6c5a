"""Values in requests that could be guessed, beside the credentials of the client: they are counted before they are checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyramid.request import Request

if TYPE_CHECKING:
    from .limits import Limits

__all__ = ["Guess"]


@dataclass
class Guess:
    """A value that a request presents and that could be guessed. It is counted before it is checked, so that
    simultaneous guesses cannot exceed the limit ``failures``."""

    limits: Limits
    request: Request
    address: str
    taken: list[tuple[str, ...]] = field(default_factory=list)

    def take(self, key: tuple[str, ...], *, factor: int = 1) -> None:
        """Count it under a key, such as the client and its address.

        :raises TooManyRequestsError: there were too many wrong ones.
        """
        rate = self.limits._rates.get("failures")
        if rate is None:
            return
        wait = self.limits._tries.take("guesses", key, rate, factor=factor)
        if wait:
            self.limits._refuse(self.request, "failures", self.address, wait)
        self.taken.append(key)

    def take_back(self) -> None:
        """Take the count back: the value was right, or was not checked."""
        rate = self.limits._rates.get("failures")
        while self.taken and rate is not None:
            self.limits._tries.give_back("guesses", self.taken.pop(), rate)
