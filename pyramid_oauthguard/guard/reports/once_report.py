"""``token_require={"once": True}`` in the reports: the store for ``oauthguard check``, one token for ``oauthguard explain``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ...access_token import AccessToken
from ...caching import build_region, probe_cache
from ...errors import OAuthGuardError
from ...exit_status import NETWORK
from ...interfaces import Finding, Step
from ...one_time import MEMORY
from ..guarded_views import GuardedView
from ..once import find_once
from ..requirements import build_requirements
from ..settings import GuardSettings

__all__ = ["describe_once", "judge_once"]

_KEY: Final = "oauthguard.once.backend"


def judge_once(settings: GuardSettings, views: Iterable[GuardedView]) -> Iterator[Finding]:
    """Check the store of used tokens, if a view needs it. Writes an entry and deletes it."""
    if not any("once" in each.names for each in views):
        return
    options = settings.once
    if options["backend"] == MEMORY:
        text = "is the memory of each process: if there are several, each one accepts a token once"
        yield Finding("warning", _KEY, text, "use dogpile.cache.redis, unless there is only one process")
        return
    yield Step("ok", _KEY, "")
    failure = probe_cache(options)
    if failure is not None:
        text = f"{options['backend']} does not answer: {failure}"
        yield Finding("error", _KEY, text, "views that accept a token once will answer 503", NETWORK)
        return
    yield Finding("ok", _KEY, f"{options['backend']} answers")
    policy = _find_eviction(options)
    if policy not in (None, "noeviction"):
        text = f"its maxmemory-policy is {policy}: when its memory is full it forgets entries, and their tokens are accepted again"
        yield Finding("warning", _KEY, text, "set maxmemory-policy = noeviction")


def describe_once(registry: Any, token: AccessToken, views: Iterable[GuardedView]) -> Iterator[str]:
    """What a view that accepts a token once would do with this one. It is not used up."""
    for view in views:
        once = find_once(build_requirements(registry, view.require)) if "once" in view.names else None
        if once is None:
            continue
        try:
            once(token)
            spent = once.is_spent(token)
        except OAuthGuardError as error:
            yield f"{view.label} answers {error.status}: it accepts a token once, and the reason is {error.reason}"
            continue
        yield (
            f"{view.label} answers 401: it accepts a token once, and this one was used"
            if spent
            else f"{view.label} accepts it once"
        )


def _find_eviction(options: Mapping[str, Any]) -> str | None:
    """What the store does when its memory is full; None where it does not say."""
    with contextlib.suppress(Exception):  # a hosted one may forbid the question
        client: Any = build_region("once", options, expiration_time=0, secret="").actual_backend.writer_client
        with client:
            return str(client.config_get("maxmemory-policy")["maxmemory-policy"])
    return None
