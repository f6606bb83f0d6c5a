"""IssuerTemplate: an issuer identifier with a placeholder, such as ``https://login.example.com/{tid}/v2.0``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from ..jwt.key_issuer import PLACEHOLDER, cut_value, is_value

__all__ = ["IssuerTemplate"]

_CLAIM: Final = re.compile(r"[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class IssuerTemplate:
    """An issuer identifier in which the value of one claim stands for a placeholder.

    :ivar claim: the name of that claim, which is the name of the placeholder.
    :ivar before: the text before the placeholder.
    :ivar after: the text after it.
    :ivar values: the accepted values; None accepts any.
    """

    claim: str
    before: str
    after: str
    values: frozenset[str] | None

    @classmethod
    def parse(cls, text: str, values: Iterable[str] | None) -> Self:
        """:raises ValueError: ``text`` has not exactly one placeholder with the name of a claim, or a value can't stand for it."""
        found = PLACEHOLDER.findall(text)
        before, _, after = PLACEHOLDER.sub("\0", text, count=1).partition("\0")
        if len(found) != 1 or not _CLAIM.fullmatch(found[0]) or set("{}") & {*before, *after}:
            raise ValueError(f"must have one placeholder such as {{tid}}, with the name of a claim, not {text!r}")
        for value in values or ():
            if not is_value(value):
                raise ValueError(f"a value has 1 to 64 letters, digits, - and _, not {value!r}")
        return cls(found[0], before, after, None if values is None else frozenset(values))

    def __str__(self) -> str:
        return f"{self.before}{{{self.claim}}}{self.after}"

    @property
    def example(self) -> str:
        """A value with which it can be read as a URL."""
        return min(self.values) if self.values else "any"

    @property
    def in_host(self) -> bool:
        """Whether the placeholder is part of the host: what stands for it decides which host it is."""
        return "/" not in self.before.partition("://")[2]

    def fill(self, value: str) -> str:
        """The identifier with ``value`` in it."""
        return f"{self.before}{value}{self.after}"

    def find_value(self, identifier: str) -> str | None:
        """The value in ``identifier``, or None where it is not one of this template with an accepted value."""
        value = cut_value(identifier, self.before, self.after)
        if value is None or (self.values is not None and value not in self.values):
            return None
        return value

    def describes(self, text: str) -> bool:
        """Whether ``text`` is the same template, whatever its placeholder is called there."""
        return PLACEHOLDER.sub("{}", text) == f"{self.before}{{}}{self.after}"

    def overlaps(self, other: IssuerTemplate) -> bool:
        """Whether some identifier is one of both."""
        if self.values is not None:
            return any(other.find_value(self.fill(value)) is not None for value in self.values)
        if other.values is not None:
            return other.overlaps(self)
        near = self.before.startswith(other.before) or other.before.startswith(self.before)
        if not near or not (self.after.endswith(other.after) or other.after.endswith(self.after)):
            return False
        rest = "".join(
            max(mine, theirs, key=len)[len(min(mine, theirs, key=len)) :]
            for mine, theirs in ((self.before, other.before), (self.after[::-1], other.after[::-1]))
        )
        return not rest or is_value(rest)
