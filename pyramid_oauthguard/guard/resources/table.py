"""The protected resources of an application (RFC 9728): for each path, the audience that its tokens must have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from ...access_token import AccessToken
from ...errors import InvalidToken, SettingError
from .prefixes import Segments, find_unambiguous, split_pattern

__all__ = ["WELL_KNOWN", "Resource", "ResourceTable", "build_metadata_url", "check_audiences", "list_declared"]

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_DECLARED: Final = "_oauthguard_declared_resources"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resource:
    """One protected resource. Everything in it comes from the settings or from a directive, never from a request.

    :ivar segments: the path prefix, below the path that the application is mounted at; none for the whole application.
    :ivar identifier: the resource identifier, or None for an application without ``oauthguard.resource``.
    :ivar metadata_url: the address of its document, or None if it has none.
    :ivar scopes: those that its document names, or None for the scopes that its views require.
    """

    segments: Segments
    identifier: str | None
    metadata_url: str | None
    scopes: tuple[str, ...] | None = None
    name: str | None = None
    documentation: str | None = None

    @property
    def path(self) -> str:
        """The path prefix as text."""
        text = "/" + "/".join(self.segments)
        return text.encode("latin-1", "replace").decode("utf-8", "replace")


class ResourceTable:
    """All resources of an application. The longest prefix wins, in whole segments.

    :param whole: the application itself, for the paths under no prefix.
    :param parts: what ``config.add_protected_resource`` added.
    :param audiences: those of ``whole``, by the name of the issuer whose tokens have them.
    """

    def __init__(
        self, whole: Resource, parts: Iterable[Resource], audiences: Mapping[str | None, Iterable[str]]
    ) -> None:
        self.whole = whole
        self.parts = tuple(sorted(parts, key=lambda each: len(each.segments), reverse=True))
        self._own = {name: frozenset(names) for name, names in audiences.items()}
        self._identifiers = frozenset(each.identifier for each in self.parts if each.identifier)

    def __iter__(self) -> Iterator[Resource]:
        return iter((self.whole, *self.parts))

    def find(self, environ: Mapping[str, Any]) -> Resource | None:
        """The resource of a request's path; None where the path can be read as that of two resources."""
        return find_unambiguous(environ, self._find) if self.parts else self.whole

    def find_by_pattern(self, pattern: str) -> Resource | None:
        """The resource of all paths that a route's pattern matches; None where only a request can tell."""
        segments, rest = split_pattern(pattern)
        if "." in segments or ".." in segments:
            return None if self.parts else self.whole
        found = self._find(segments)
        deeper = [each for each in self.parts if len(each.segments) > len(segments)]
        below = rest is not None and any(each.segments[: len(segments)] == segments for each in deeper)
        return None if below else found

    def find_metadata_url(self, environ: Mapping[str, Any]) -> str | None:
        """The address of the document that a challenge points to."""
        resource = self.find(environ)
        return None if resource is None else resource.metadata_url

    def check(self, environ: Mapping[str, Any], token: AccessToken) -> None:
        """Check that a verified token is for the resource of the request's path.

        :raises InvalidToken: it is for another resource of this application, or the path can be read in two ways.
        """
        if not self.parts:
            return
        resource = self.find(environ)
        if resource is None:
            raise InvalidToken("ambiguous_path")
        if not self.accepts(resource, token):
            raise InvalidToken("other_resource")

    def accepts(self, resource: Resource, token: AccessToken) -> bool:
        """Whether a verified token is for ``resource``."""
        if resource is not self.whole:
            return resource.identifier in token.audience
        own = self._own.get(token.issuer_name, frozenset())
        return not own.isdisjoint(token.audience) or self._identifiers.isdisjoint(token.audience)

    def _find(self, segments: Segments) -> Resource:
        fitting = (each for each in self.parts if segments[: len(each.segments)] == each.segments)
        return next(fitting, self.whole)


def list_declared(registry: Any) -> list[Resource]:
    """What the directive has added to an application so far."""
    declared: list[Resource] = registry.__dict__.setdefault(_DECLARED, [])
    return declared


def build_metadata_url(resource: str) -> str:
    """Where the document of ``resource`` is: the well-known part goes before its path (RFC 9728 section 3)."""
    parts = urlsplit(resource)
    path = WELL_KNOWN + (parts.path if parts.path != "/" else "")
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def check_audiences(audiences: Iterable[str]) -> None:
    """Check that no two audiences differ in slashes alone: a token for one would be taken for a token for the other.

    :raises SettingError: naming both.
    """
    seen: dict[str, str] = {}
    for each in audiences:
        other = seen.setdefault(re.sub("/+", "/", each).rstrip("/"), each)
        if other != each:
            text = f"{other} and {each} differ in a slash alone"
            hint = "keep the one that the issuer writes into tokens, byte for byte"
            raise SettingError("oauthguard.audience", text, hint)
