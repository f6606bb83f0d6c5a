"""The panel: this request's token by its claims, the check and its steps, what decided, and the last refusals.

Neither the characters of a token nor its signature are shown or kept.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

from mako.template import Template
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid_debugtoolbar.panels import DebugPanel

from ..access_token import AccessToken
from ..errors import OAuthGuardError, TokenError
from ..guard import credentials
from ..guard.authentication import RESULT
from ..guard.challenge import find_refusal
from ..guard.guarded_views import find_permission
from ..guard.reports.reasons import REASONS
from .observing import TRACE, build_refusal, list_refusals, note_refusal
from .steps import FETCH_KEYS, INTROSPECT, RECALL, Trace

__all__ = ["GuardPanel"]

_REFUSED: Final = frozenset({400, 401, 403, 503})
_SHORTEST_SECRET: Final = 8


class GuardPanel(DebugPanel):
    """The panel of one request."""

    name = "oauthguard"
    title = "Access token"
    nav_title = "Access token"
    has_content = True

    def __init__(self, request: Request) -> None:
        self._request = request
        self._trace = request.__dict__[TRACE] = Trace()

    @property
    def nav_subtitle(self) -> str:
        """The outcome, in the list of panels."""
        return str(self.data.get("outcome", ""))

    def render_content(self, request: Request) -> str:
        """The HTML of the panel."""
        return str(_load_template().render_unicode(**self.data))

    def process_response(self, response: Any) -> None:
        """Work out what to show, and let go of the request."""
        request, registry = self._request, self._request.registry
        del self._request
        if registry.__dict__.get("oauthguard") is None:
            self.data.update(outcome="no guard", token=None, caches={}, view=None, steps=[], refusal=None, refusals=[])
            return
        result = request.__dict__.get(RESULT)
        error = _find_error(request, result)
        if error is not None and response.status_int in _REFUSED:
            note_refusal(registry, build_refusal(request, response.status_int, error.reason))
        self.data.update(
            outcome=_tell_outcome(result, error),
            token=_show_token(result, _find_secrets(request)),
            caches=_describe_caches(self._trace, result),
            view=_describe_view(registry, request),
            steps=self._trace.steps,
            refusal=_explain(registry, error) if error is not None else None,
            refusals=[(_as_time(each.at), each) for each in list_refusals(registry)],
        )


@cache
def _load_template() -> Any:
    """Everything is escaped. Not by an asset specification: Pyramid finds none in packages that pytest has imported."""
    return Template(files(__package__).joinpath("panel.dbtmako").read_text("utf-8"), default_filters=["h"])  # noqa: S702  # each value is escaped


def _find_error(request: Request, result: Any) -> OAuthGuardError | None:
    """Why the request was refused: what the answer says, or else what became of the token."""
    error = find_refusal(request.exception)
    found = error if isinstance(error, OAuthGuardError) else result
    return found if isinstance(found, OAuthGuardError) else None


def _tell_outcome(result: Any, error: OAuthGuardError | None) -> str:
    if error is not None:
        return error.reason
    return "good" if isinstance(result, AccessToken) else "not looked at"


def _find_secrets(request: Request) -> tuple[str, ...]:
    """The token of the request and its signature, which must not be shown."""
    try:
        credential = credentials.find(request)
    except TokenError:
        return ()
    return () if credential is None else (credential.characters, credential.characters.rpartition(".")[2])


def _describe_caches(trace: Trace, result: Any) -> dict[str, str]:
    """Whether the caches helped; empty where the token was not checked."""
    recalled = trace.find(RECALL)
    if recalled is None:
        return {}
    found = {"tokens verified before": recalled.outcome}
    found["keys of the issuer"] = "fetched for this request" if trace.find(FETCH_KEYS) else "kept"
    if isinstance(result, AccessToken) and result.mode == "remote":
        found["introspection answer"] = "asked for by this request" if trace.find(INTROSPECT) else "kept"
    return found


def _show_token(result: Any, secrets: tuple[str, ...]) -> dict[str, str] | None:
    """The members of a token, its claims as JSON. Some issuers repeat the token in their answer: it is masked."""
    if not isinstance(result, AccessToken):
        return None
    members = result.to_dict()
    claims = json.dumps(members.pop("claims"), indent=2, ensure_ascii=False, default=str)
    times = {name: _as_time(members[name]) for name in ("expires_at", "issued_at") if members.get(name) is not None}
    shown = {name: value for name, value in {**members, **times}.items() if value not in (None, [], "")}
    texts = {name: " ".join(v) if isinstance(v, list) else str(v) for name, v in shown.items()}
    return {name: _mask(text, secrets) for name, text in {**texts, "claims": claims}.items()}


def _mask(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text


def _describe_view(registry: Registry, request: Request) -> dict[str, str] | None:
    """What the view of the request requires, and which setting says how its token is checked."""
    for each in registry.introspector.get_category("views", []):
        view = each["introspectable"]
        if _is_of(view, request):
            own, default = view.get("token_check"), registry.settings.get("oauthguard.token_check", "local")
            permission = find_permission(registry, view, each["related"])
            if own is None and view.get("token_require") is None and permission is None:
                continue
            return {
                "check": own or default,
                "decided by": "token_check of the view" if own else f"oauthguard.token_check = {default}",
                "token_require": str(view.get("token_require") or "nothing"),
                "permission": permission or "none",
            }
    return None


def _is_of(view: Any, request: Request) -> bool:
    """Whether a view's introspectable may be the view of the request. Not compared: predicates other than the method."""
    route = getattr(request, "matched_route", None)
    methods = view.get("request_methods") or ()
    methods = (methods,) if isinstance(methods, str) else methods
    if methods and request.method not in methods:
        return False
    if view.get("exception_only"):
        return False
    if route is not None:
        return bool(view.get("route_name") == route.name)
    return view.get("route_name") is None and view.get("name") == getattr(request, "view_name", None)


def _explain(registry: Registry, error: OAuthGuardError) -> dict[str, str]:
    """The reason, and the setting that decided, with its value."""
    name, _text, _advice = REASONS.get(error.reason, (None, "", ""))
    setting = f"oauthguard.{name}" if name else None
    value = " ".join(str(registry.settings.get(setting, "not set: the default")).split()) if setting else ""
    return {
        "status": str(error.status),
        "reason": error.reason,
        "required scopes": " ".join(getattr(error, "scopes", ())),
        "setting": f"{setting}: {value}" if setting else "",
    }


def _as_time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return str(seconds)
