"""What users, clients and roles are called in an application: by themselves with one issuer, otherwise with their issuer's name."""

from __future__ import annotations

from ..access_token import AccessToken
from .settings import GuardSettings

__all__ = ["Naming", "escape"]


def escape(text: str) -> str:
    """``text`` without slashes: what comes after one is never part of a name before it."""
    return text.replace("%", "%25").replace("/", "%2F")


class Naming:
    """Names that are different wherever the issuer, or the tenant of a template, is different.

    With one plain issuer, a name is what the token says. Else ``/`` and ``%`` in it are escaped, and that of a named issuer
    begins with ``NAME/``, and with ``NAME/VALUE/`` if the issuer is a template.
    """

    def __init__(self, settings: GuardSettings) -> None:
        self._is_plain = settings.is_plain
        self._by_name = {each.issuer_name: each for each in settings.list_issuers()}
        self._prefixes = {
            each.issuer_name: "" if each.issuer_name is None else f"{each.issuer_name}/"
            for each in settings.list_issuers()
            if each.template is None
        }

    def find_settings(self, token: AccessToken) -> GuardSettings | None:
        """The settings of the token's issuer; None for a token of a verifier of the application that names another one."""
        return self._by_name.get(token.issuer_name)

    def qualify(self, token: AccessToken, text: str) -> str:
        """What ``text``, a user, a client or a role of ``token``, is called."""
        if self._is_plain:
            return text
        prefix = self._prefixes.get(token.issuer_name)
        if prefix is None:
            prefix = "".join(f"{part}/" for part in self._list_parts(token))
        return prefix + (escape(text) if "/" in text or "%" in text else text)

    def name_issuer(self, token: AccessToken) -> str | None:
        """What the issuer itself is called; None for a plain one."""
        return "/".join(self._list_parts(token)) or None

    def _list_parts(self, token: AccessToken) -> list[str]:
        settings = self.find_settings(token)
        template = settings.template if settings is not None else None
        named = [] if token.issuer_name is None else [escape(token.issuer_name)]
        if template is None:
            return named
        return [*named, template.find_value(token.issuer) or escape(token.issuer)]
