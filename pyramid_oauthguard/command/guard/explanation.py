"""Why a token is refused: which check failed, which setting it comes from, what would have to change."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...access_token import AccessToken
from ...errors import OAuthGuardError, UnavailableError
from ...exit_status import INACTIVE, USAGE, find_exit_status
from ...guard.credentials.header import find_fault
from ...guard.guarded_views import GuardedView, find_modes, find_views
from ...guard.openapi import Operation, find_operations
from ...guard.reports.candidates import SCOPE_CLAIMS
from ...guard.reports.key_report import describe_keys
from ...guard.reports.neighbours import find_host_neighbours, find_neighbours
from ...guard.reports.once_report import describe_once
from ...guard.reports.refusing_views import describe_refusals
from ...guard.reports.remedies import find_remedy
from ...guard.resources.table import ResourceTable
from ...guard.settings import GuardSettings
from ...guard.state import Guard, get_guard
from ...guard.verifiers import RANKS
from ...guard.verifiers.access_tokens import find_member, read_scopes
from ...guard.verifiers.chosen import ChosenVerifier
from ...interfaces import Credential, ICredentialVerifier
from .token_facts import fetch_answer, find_facts, find_issuer
from .wording import find_words

__all__ = ["Explanation", "explain_token", "find_modes_in_use"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The outcome of one verifier.

    :ivar mode: ``"local"``, ``"remote"`` or ``"userinfo"``; ``"any"`` where no check was made.
    :ivar reason: None when the token was accepted, otherwise the word of the first check that failed.
    :ivar text: what was found and what was expected; may show claims, never the token.
    :ivar setting: the key that the expectation comes from, or None.
    :ivar advice: what would have to change.
    :ivar status: the exit status of a command that ends because of it: 0; 5, refused; 1 or 6, the check could not be made.
    :ivar answer: what the issuer's introspection answer says of a token that the remote check refused; None where it was
        not asked.
    :ivar keys: for a signature that no key verifies, each key of the issuer and why it was not used.
    :ivar others: for a token that was refused, each other setting under which it would pass the check that refused it, with its
        cost.
    :ivar views: for a token that was accepted, each view of this mode that still refuses it, and the scopes that it
        requires; and each view that accepts a token once.
    """

    mode: str
    reason: str | None
    text: str
    setting: str | None = None
    advice: str = ""
    status: int = 0
    answer: Mapping[str, Any] | None = None
    keys: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def find_modes_in_use(registry: Any) -> list[str]:
    """The modes that some view is checked in, the least strict first."""
    settings = get_guard(registry).settings
    modes = find_modes(find_views(registry, settings), settings)
    return [mode for mode in RANKS if mode in modes]


def explain_token(registry: Any, raw: str, mode: str) -> Explanation:
    """What a request with ``raw`` would meet at a view that is checked in ``mode``: the header, then the verifier.

    Asks the issuer, live, for what helps to understand a refusal: its answer about the token, its keys.
    """
    settings = find_issuer(get_guard(registry).settings, raw)
    fault = find_fault(raw)
    if fault is not None:
        return Explanation(mode, "malformed_header", fault, None, _advise_copy(raw), INACTIVE)
    try:
        token = registry.getUtility(ICredentialVerifier, name=mode).verify(Credential("Bearer", raw, "argument"))
    except UnavailableError as error:
        remedy = find_remedy(error, _find_asked(settings, error))
        advice = settings.name_keys(remedy.text or "oauthguard check looks at the issuer")
        setting = settings.name_keys(remedy.setting) if remedy.setting else None
        status, others = find_exit_status(error), find_host_neighbours(settings, error)
        return Explanation(mode, error.reason, str(error), setting, advice, status, others=others)
    except OAuthGuardError as error:
        return _explain_refusal(error, registry, settings, raw=raw, mode=mode)
    except Exception as error:  # noqa: BLE001  # a verifier of the application may raise any error
        text = f"the application's own verifier failed with {type(error).__qualname__}"
        return Explanation(mode, "verifier_failed", text, None, "requests get 503 for it", USAGE)
    if not isinstance(token, AccessToken):
        text = f"the application's own verifier returned a {type(token).__qualname__}, not an AccessToken"
        return Explanation(mode, "verifier_failed", text, None, "requests get 503 for it", USAGE)
    text = _describe(token, get_guard(registry))
    return Explanation(mode, None, text, views=_describe_views(registry, token, mode))


def _find_asked(settings: GuardSettings, error: UnavailableError) -> str:
    """What was asked for, where the settings name its address; empty where only the error tells it."""
    named = {"introspection": settings.introspection_endpoint, "userinfo": settings.userinfo_endpoint}
    return next((name for name, url in named.items() if url and url in error.detail), "")


def _advise_copy(raw: str) -> str:
    """What to do about a token that no header can carry. The issuer did not make white space and quotes around or inside it."""
    if raw.startswith("{"):
        return "this is JSON without an access_token, such as the answer of a token endpoint that refuses: get a token first"
    if find_fault("".join(char for char in raw if char not in _OF_COPIES)) is None or "bearer " in raw.lower():
        return "requests with it get 400; copy the token again, alone, without quotes and in one line"
    return "requests with it get 400; have the issuer make tokens of these characters"


def _describe(token: AccessToken, guard: Guard) -> str:
    resources = guard.resources
    scopes = " ".join(sorted(token.scopes)) or "none"
    left = token.expires_at - time.time()
    end = f"expires in {left:.0f} s" if math.isfinite(left) else "with no known end"
    issuer = f"issuer {token.issuer_name}, " if token.issuer_name else ""
    text = f"{issuer}sub {token.subject!r}, client {token.client_id!r}, scopes {scopes}{_describe_untrusted(token, guard)}{_describe_unread(token, guard)}{_describe_roles(token, guard)}, {end}"
    places = [each.path for each in resources if resources.accepts(each, token)]
    return f"{text}, accepted under {' '.join(places)}" if resources.parts else text


def _describe_untrusted(token: AccessToken, guard: Guard) -> str:
    """The scopes of the token that are not trusted from its issuer."""
    settings = guard.naming.find_settings(token) or guard.settings
    if settings.trusted_scopes is None or token.mode == "userinfo":
        return ""
    untrusted = read_scopes(token.claims, settings.scope_claim) - token.scopes
    return f" (without {' '.join(sorted(untrusted))}: see {settings.name_key('scopes')})" if untrusted else ""


def _describe_unread(token: AccessToken, guard: Guard) -> str:
    """Other claims that may hold scopes, and scopes that were not separated by spaces."""
    settings = guard.naming.find_settings(token) or guard.settings
    if token.mode == "userinfo":
        return ""
    read = next((name for name in settings.scope_claim if name in token.claims), None)
    unread = [name for name in SCOPE_CLAIMS if name in token.claims and name != read]
    text = f" (not read: {' '.join(unread)}; see {settings.name_key('scope_claim')})" if unread else ""
    return f"{text} (separated by commas, which count as a part of a scope)" if "," in "".join(token.scopes) else text


def _describe_roles(token: AccessToken, guard: Guard) -> str:
    """What ``role_claim`` finds. A path that finds nothing is not an error: many users have no role."""
    settings = guard.naming.find_settings(token) or guard.settings
    if not settings.role_claim:
        return ""
    found = " ".join(guard.list_roles(token))
    if found:
        return f", roles {found}"
    odd = [path for path in settings.role_claim if find_member(token.claims, path.split(".")) not in (None, "", (), {})]
    why = f"what is at {' '.join(odd)} is neither text nor a list of texts" if odd else " ".join(settings.role_claim)
    left_out = "; the issuer has left out groups, because there are many" if _HAS_MORE & token.claims.keys() else ""
    return f", no role at {settings.name_key('role_claim')} ({why}{left_out})"


def _describe_views(registry: Any, token: AccessToken, mode: str) -> tuple[str, ...]:
    """The views of this mode whose scopes the token lacks, as far as they are known without a request, and those that accept it
    once."""
    resources = get_guard(registry).resources
    lines = [
        f"{each.method or 'any method'} {each.path} answers 403: it requires {_describe_scopes(each)}"
        for each in find_operations(registry)
        if each.mode == mode and _is_for(resources, each.path, token) and not _is_enough(token, each)
    ]
    guard = get_guard(registry)
    views = [each for each in find_views(registry, guard.settings) if each.mode == mode]
    lines += describe_refusals(guard, token, [each for each in views if _may_show(resources, each, token)])
    lines += describe_once(registry, token, views)
    rest = len(lines) - _MOST_VIEWS
    return (*lines[:_MOST_VIEWS], f"and {rest} more") if rest > 0 else tuple(lines)


def _is_for(resources: ResourceTable, path: str, token: AccessToken) -> bool:
    """Whether the token's audience is that of the view at ``path``: without it the answer is 401."""
    resource = resources.find_by_pattern(path)
    return resource is not None and resources.accepts(resource, token)


def _may_show(resources: ResourceTable, view: GuardedView, token: AccessToken) -> bool:
    """Whether the view takes tokens of this issuer and audience; not where only a request tells."""
    is_of_issuer = not view.issuers or token.issuer_name in view.issuers
    return is_of_issuer and view.pattern is not None and _is_for(resources, view.place, token)


def _is_enough(token: AccessToken, operation: Operation) -> bool:
    return any(token.can_all(*scopes) for scopes in operation.alternatives)


def _describe_scopes(operation: Operation) -> str:
    alternatives = [" and ".join(scopes) for scopes in operation.alternatives]
    return f"the scope {' or '.join(alternatives)}"


def _explain_refusal(
    error: OAuthGuardError, registry: Any, settings: GuardSettings, *, raw: str, mode: str
) -> Explanation:
    answer = fetch_answer(registry, settings, raw) if mode == "remote" else None
    facts = find_facts(settings, raw, answer)
    setting, text, advice = find_words(facts, error.reason, raw, mode=mode, answered=answer is not None)
    return Explanation(
        mode,
        error.reason,
        settings.name_keys(text).format_map(facts)[:_MOST_TEXT_CHARS],
        _name_setting(settings, setting),
        settings.name_keys(advice.format_map(facts)),
        INACTIVE,
        answer,
        describe_keys(registry, settings, facts) if error.reason in _ABOUT_KEYS else (),
        others=_find_others(registry, settings, error.reason, raw=raw, mode=mode, answer=answer),
    )


def _find_others(
    registry: Any, settings: GuardSettings, reason: str, *, raw: str, mode: str, answer: Mapping[str, Any] | None
) -> tuple[str, ...]:
    """Where the guard's own check refused it."""
    if not isinstance(registry.queryUtility(ICredentialVerifier, name=mode), ChosenVerifier):
        return ()
    return find_neighbours(settings, reason, raw, mode=mode, answer=answer)


def _name_setting(settings: GuardSettings, name: str | None) -> str | None:
    if name == "issuer" and not settings.issuer:
        return "oauthguard.issuers"
    return settings.name_keys(f"oauthguard.{name}") if name else None


#: Entra ID writes one of these where a user has more groups than it puts into tokens.
_HAS_MORE: Final = frozenset({"_claim_names", "hasgroups"})
_ABOUT_KEYS: Final = frozenset({"unknown_key", "bad_signature"})
#: What a terminal, an editor or a document in JSON puts around a token, or inside it.
_OF_COPIES: Final = frozenset("\"'`,;\\ \t\r\n\u00a0\u200b\u201c\u201d")
_MOST_TEXT_CHARS: Final = 2000
_MOST_VIEWS: Final = 20
