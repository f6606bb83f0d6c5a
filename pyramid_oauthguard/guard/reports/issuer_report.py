"""What ``oauthguard check`` says of one issuer: its metadata, clock, keys and introspection."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from ...errors import UnavailableError
from ...exit_status import find_exit_status
from ...interfaces import Finding, Step
from ...issuers.http_issuer import HTTPIssuer, build_http_issuer
from ...jwt.keyset import build_key_set
from ...urls import as_origin
from ..settings import GuardSettings
from .certificates import judge_certificates
from .key_report import describe_unusable_keys
from .live_issuer import introspect_live
from .neighbours import find_insecure_host
from .network_report import describe_network, is_fetchable
from .remedies import find_remedy

__all__ = ["judge_issuer"]

#: It has the form of a token, but no issuer knows it.
_PROBE: Final = "oauthguard-check-probe"
_GOOD: Final = " answered 200"
#: How many tenants of a template are asked, if the template lists them.
_MOST_TENANTS: Final = 10


def judge_issuer(embedded: Any, settings: GuardSettings, wanted: frozenset[str]) -> Iterator[Finding]:
    """Check one issuer; of a template, its first tenants, or what they share.

    :param embedded: the issuer in this process, or None.
    :param wanted: what the views need of it: ``"keys"``, ``"introspection"``, ``"userinfo"``.
    """
    for each in _list_tenants(settings):
        for finding in _judge_issuer(embedded, each, wanted):
            yield _name(finding, each)


def _list_tenants(settings: GuardSettings) -> list[GuardSettings]:
    template = settings.template
    if template is None:
        return [settings]
    if settings.shares_keys or template.values is None:
        return [settings.fill(template.example)]
    return [settings.fill(value) for value in sorted(template.values)[:_MOST_TENANTS]]


def _name(finding: Finding, settings: GuardSettings) -> Finding:
    """The finding with the keys of its issuer, and its name."""
    if settings.issuer_name is None:
        return finding
    subject = settings.name_keys(finding.subject)
    if subject == finding.subject:
        subject = f"{subject} of {settings.issuer_name}"
    return replace(
        finding, subject=subject, text=settings.name_keys(finding.text), hint=settings.name_keys(finding.hint)
    )


def _judge_issuer(embedded: Any, settings: GuardSettings, wanted: frozenset[str]) -> Iterator[Finding]:
    if embedded is not None:
        yield Finding("ok", "oauthguard.issuer", f"{settings.issuer} runs in this process")
    if not wanted:
        return
    if embedded is None:
        yield from describe_network(settings)
    tried: list[str] = []
    issuer = embedded or build_http_issuer(settings.build_issuer_settings(), trace=tried.append)
    if settings.shares_keys and settings.template is not None:
        count = "any tenant" if settings.template.values is None else f"{len(settings.template.values)} tenants"
        yield Finding(
            "ok", "oauthguard.issuer", f"{settings.template} accepts {count}, whose keys are at {settings.jwks_uri}"
        )
    needless = settings.shares_keys and settings.metadata_url is None  # no document is that of all tenants
    known = embedded is not None or (not needless and (yield from _judge_metadata(issuer, settings, wanted)))
    yield from _list_tried(tried)
    if "keys" in wanted and (known or settings.jwks_uri or settings.jwks_file):
        yield from _judge_keys(issuer, settings)
        yield from _list_tried(tried)
    if "introspection" in wanted and (known or settings.introspection_endpoint):
        yield from _judge_introspection(issuer, settings)
        yield from _list_tried(tried)
    if "userinfo" in wanted and settings.userinfo_any_client and (known or settings.userinfo_endpoint):
        yield from _judge_userinfo(issuer, settings)
        yield from _list_tried(tried)
    if embedded is None:
        yield from judge_certificates(issuer, settings, is_described=known)


def _list_tried(tried: list[str]) -> Iterator[Finding]:
    """What each address answered, where it is not what was looked for, and the proxy where there is one."""
    yield from (Finding("ok", "asked", line) for line in tried if not line.endswith(_GOOD))
    tried.clear()


def _judge_metadata(
    issuer: HTTPIssuer, settings: GuardSettings, wanted: frozenset[str]
) -> Generator[Finding, None, bool]:
    """Check the metadata. Whether they could be fetched."""
    knows_keys = settings.jwks_uri or settings.jwks_file
    needed = (
        not knows_keys
        or ("introspection" in wanted and not settings.introspection_endpoint)
        or ("userinfo" in wanted and not settings.userinfo_endpoint)
    )
    if not needed and not is_fetchable(settings):
        return False
    yield Step("ok", "the issuer's metadata", settings.metadata_url or settings.issuer)
    asked_at = time.time()
    try:
        metadata = issuer.fetch_metadata()
    except UnavailableError as error:
        if needed:
            yield _describe_failure("oauthguard.issuer", error, settings, asked="metadata")
        else:
            hint = "they are not needed: the settings say where the keys and introspection are"
            yield Finding("warning", "oauthguard.issuer", str(error), hint)
        return False
    yield Finding("ok", "oauthguard.issuer", f"{metadata.url} describes {metadata.issuer}")
    yield from _compare(settings, metadata.document, wanted)
    if metadata.date is not None:
        yield _judge_clock(metadata.date, asked_at, settings.leeway)
    return True


def _describe_failure(subject: str, error: UnavailableError, settings: GuardSettings, *, asked: str) -> Finding:
    remedy, cost = find_remedy(error, asked).text, _describe_cost(asked, settings)
    hint = f"{cost}; {remedy}" if remedy else cost
    host = find_insecure_host(settings, error)
    if host is not None:
        hint += (
            f"; or list {host} in oauthguard.http.insecure_hosts, if no other party can read or change what it sends"
        )
    return Finding("error", subject, str(error), hint, find_exit_status(error))


_COSTS: Final = {
    "metadata": "every guarded request will answer 503",
    "keys": "every token will be refused with 503",
    "introspection": "remote checks will answer 503",
    "userinfo": "checks by userinfo will answer 503",
}


def _describe_cost(asked: str, settings: GuardSettings) -> str:
    """What an outage costs. Of one issuer among several, tokens of the others are still accepted."""
    of_all = settings.issuer_name is None or asked not in ("metadata", "keys")
    return _COSTS[asked] if of_all else f"every token of {settings.issuer_name} will be refused with 503"


def _is_beside_metadata(settings: GuardSettings, url: str) -> bool:
    """Whether an address of the settings is on the host that the settings have the metadata from: a network in which the
    addresses of the metadata are not those to use.
    """
    return settings.metadata_url is not None and as_origin(settings.metadata_url) == as_origin(url)


def _compare(settings: GuardSettings, document: Any, wanted: frozenset[str]) -> Iterator[Finding]:
    """Where the settings and the issuer's metadata say different things."""
    for key, ours in (
        ("jwks_uri", settings.jwks_uri),
        ("introspection_endpoint", settings.introspection_endpoint),
        ("userinfo_endpoint", settings.userinfo_endpoint),
    ):
        theirs = document.get(key)
        if ours and theirs and ours != theirs and not _is_beside_metadata(settings, ours):
            name = f"oauthguard.{key.replace('_endpoint', '.endpoint')}"
            yield Finding("warning", name, f"is {ours}, but the issuer's metadata have {theirs}", "remove the setting?")
    methods = document.get("introspection_endpoint_auth_methods_supported")
    method = settings.introspection_auth_method
    if "introspection" in wanted and isinstance(methods, list) and method not in (*methods, "http_basic"):
        offered = " ".join(map(str, methods))
        yield Finding(
            "warning", "oauthguard.introspection.auth_method", f"is {method}, but the issuer supports {offered}"
        )


def _judge_clock(date: float, asked_at: float, leeway: float) -> Finding:
    """Compare the clocks by the Date of an answer, which has whole seconds: the smallest possible difference counts."""
    ahead, behind = date - time.time(), asked_at - (date + 1)
    if ahead <= 0 and behind <= 0:
        return Finding("ok", "clock", "the issuer's clock agrees with this machine's")
    text = f"the issuer's clock is {max(ahead, behind):.0f} s {'ahead' if ahead > 0 else 'behind'}"
    if max(ahead, behind) <= leeway:
        return Finding("ok", "clock", text)
    return Finding("warning", "clock", text, f"more than oauthguard.leeway ({leeway:g} s): set this machine's clock")


def _judge_keys(issuer: Any, settings: GuardSettings) -> Iterator[Finding]:
    yield Step("ok", "the issuer's keys", settings.jwks_uri or settings.issuer)
    try:
        document = issuer.fetch_keys()
    except UnavailableError as error:
        yield _describe_failure("keys", error, settings, asked="keys")
        return
    keys = build_key_set(document.keys, settings.algorithms, uses=settings.key_uses)
    unusable = describe_unusable_keys(document.keys, settings.algorithms, settings.key_uses)
    if not keys:
        why = "; ".join(unusable) or "there are no keys"
        hint = f"{_describe_cost('keys', settings)}; {find_remedy(UnavailableError('no_usable_keys', why)).text}"
        yield Finding("error", "keys", f"none of {len(document.keys)} keys is usable under the settings: {why}", hint)
        return
    yield Finding("ok", "keys", f"{len(keys)} of {len(document.keys)} usable under the settings")
    if document.max_age is not None and document.max_age < settings.keys_cooldown:
        text = f"the issuer allows to keep its keys for {document.max_age:g} s; they are kept for {settings.keys_cooldown:g} s"
        yield Finding("ok", "oauthguard.keys.cooldown", text, "a withdrawn key is accepted for that long")
    for kid, algorithms in keys.describe():
        yield Finding("ok", "keys", f"{kid or '(without kid)'} verifies {' '.join(algorithms)}")
    for line in unusable:
        yield Finding("ok", "keys", line)


def _judge_introspection(issuer: Any, settings: GuardSettings) -> Iterator[Finding]:
    yield Step("ok", "the issuer's introspection", settings.introspection_endpoint or settings.issuer)
    hint = "remote checks with this issuer do not protect anything"
    wrong = Finding("error", "oauthguard.introspection", "says that an invented token is active", hint)
    yield from _judge_quotes(settings)
    if (
        yield from _try_invented(
            lambda: introspect_live(issuer, settings, _PROBE), settings, asked="introspection", wrong=wrong
        )
    ):
        yield Finding("ok", "introspection", f"answers this application{_describe_signature(issuer, settings)}")


def _judge_quotes(settings: GuardSettings) -> Iterator[Finding]:
    """Values are taken as they are, since an issuer may have made such a one."""
    for name in ("client_id", "client_secret"):
        value = getattr(settings, f"introspection_{name}") or ""
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            text = "has quotes around it, which are a part of it: an ini file does not remove them"
            hint = "remove them, unless the issuer has them, too"
            yield Finding("warning", f"oauthguard.introspection.{name}", text, hint)


def _judge_userinfo(issuer: Any, settings: GuardSettings) -> Iterator[Finding]:
    yield Step("ok", "the issuer's userinfo", settings.userinfo_endpoint or settings.issuer)
    if not hasattr(issuer, "fetch_userinfo"):
        yield Finding("error", "oauthguard.userinfo", f"{settings.issuer} has no userinfo here", _COSTS["userinfo"])
        return
    hint = "checks by userinfo with this issuer do not protect anything"
    wrong = Finding("error", "oauthguard.userinfo", "names a user for an invented token", hint)
    if (yield from _try_invented(lambda: issuer.fetch_userinfo(_PROBE), settings, asked="userinfo", wrong=wrong)):
        yield Finding("ok", "userinfo", "refuses an invented token")


def _try_invented(
    ask: Callable[[], Mapping[str, Any]], settings: GuardSettings, *, asked: str, wrong: Finding
) -> Generator[Finding, None, bool]:
    """Ask an endpoint of the issuer about a token that does not exist. Whether it answers, and does not accept the token.

    :param wrong: what to report if it accepts it.
    """
    try:
        answer = ask()
    except UnavailableError as error:
        yield _describe_failure(f"oauthguard.{asked}", error, settings, asked=asked)
        return False
    if answer.get("active") is not False:
        yield wrong
        return False
    return True


def _describe_signature(issuer: Any, settings: GuardSettings) -> str:
    if settings.introspection_signed == "off" or not isinstance(issuer, HTTPIssuer):
        return ""
    return " with a signature" if issuer.expects_signature() else "; its metadata do not offer signed answers"
