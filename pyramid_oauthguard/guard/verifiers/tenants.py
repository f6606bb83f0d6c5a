"""The tenants of one template: the verifiers of each, made at first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ...bounded import BoundedMap
from ...errors import InvalidToken
from ...issuers.introspection import Introspector
from ...issuers.template import IssuerTemplate
from ..settings import GuardSettings
from .chosen import Verifier, Verifiers
from .remote import RemoteVerifier

__all__ = ["Tenants"]

#: So many tenants are kept where any value is accepted. Making one again costs less than the check of one token.
_MAX_TENANTS: Final = 1_024


class Tenants:
    """The verifiers of each tenant of a template. Tenants share no remembered tokens.

    :param build: makes the verifiers of a tenant of its settings.
    :param introspector: asks about opaque tokens, which name no tenant; None where each tenant has an endpoint of its own.
    """

    def __init__(
        self,
        settings: GuardSettings,
        template: IssuerTemplate,
        build: Callable[[GuardSettings], Verifiers],
        *,
        introspector: Introspector | None = None,
    ) -> None:
        self._settings = settings
        self._build = build
        self._listed: dict[str, Verifiers] = {}
        self._others = BoundedMap(_MAX_TENANTS)
        self._is_listed = template.values is not None
        example = self.find(template.example)  # now: a wrong setting must not wait for the first request
        self._unknown: Verifiers | None = None
        if introspector is not None:
            remote = OpaqueVerifier(settings, example["local"], introspector, find=self._find_of_answer)
            self._unknown = {"local": example["local"], "remote": remote, "userinfo": example["local"]}
        self._template = template

    def find(self, value: str | None) -> Verifiers:
        """The verifiers of one tenant; for None, those that learn the tenant from the issuer's answer.

        :raises InvalidToken: no answer can say the tenant.
        """
        if value is None:
            return self._require_unknown()
        known: Verifiers | None = self._listed.get(value) or self._others.get(value)
        if known is not None:
            return known
        made = self._build(self._settings.fill(value))
        if self._is_listed:
            return self._listed.setdefault(
                value, made
            )  # another thread may have been faster, and its keys are on their way
        self._others.set(value, made)
        return made

    def _require_unknown(self) -> Verifiers:
        if self._unknown is None:
            raise InvalidToken("opaque_of_no_issuer")
        return self._unknown

    def _find_of_answer(self, answer: Mapping[str, Any]) -> GuardSettings:
        identifier = answer.get("iss")
        value = self._template.find_value(identifier) if isinstance(identifier, str) else None
        if value is None:
            raise InvalidToken("wrong_issuer")
        return self._settings.fill(value)


class OpaqueVerifier(RemoteVerifier):
    """Asks the issuer of a template about an opaque token. The answer names the tenant, and is judged by its settings.

    :param find: the settings of the tenant of an answer; raises InvalidToken.
    """

    def __init__(
        self,
        settings: GuardSettings,
        local: Verifier,
        introspector: Introspector,
        *,
        find: Callable[[Mapping[str, Any]], GuardSettings],
    ) -> None:
        super().__init__(settings, local, introspector)
        self._find = find

    def _find_settings(self, answer: Mapping[str, Any]) -> GuardSettings:
        return self._find(answer)
