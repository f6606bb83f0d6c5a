"""GET and POST /authorize (RFC 6749 section 4.1.1): a user allows a client something, or doesn't.

GET reads a request and shows the page; POST takes the answer from the page, which names the request by a ticket and by
nothing else. A POST without a ticket is a client's request, and is sent on to GET.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from ...urls import as_origin, is_loopback
from ..clients.redirect_uris import build_answer_uri
from ..consent.consents import name_apis, remember
from ..consent.pages import answer_errors_on_page, redirect, render_page, translate
from ..consent.request import AuthorizationRequest, add_address, build_query, check_request
from ..consent.resource_owner import approves, find_acr, find_auth_time, find_user, find_user_name, sign_in
from ..consent.tickets import FIELD, find_content, open_ticket, seal_ticket
from ..events import AuthorizationApproved, AuthorizationDenied
from ..grants.authorization_code import AuthorizationCode
from ..grants.pkce import METHOD
from ..grants.user_grants import check_subject, find_allowed, is_asked, open_grant
from ..http.errors import AccessDeniedError, InvalidRequestError, OAuth2Error, ServerError
from ..http.mount_point import build_path
from ..http.parameters import Parameters, read_body, read_query, read_text
from ..opaque import CODE_PREFIX, make_opaque
from ..service import Service, find_service
from ..settings import ServerSettings
from ..store.records import CodeRecord, Grant
from .views import add_endpoint

__all__ = ["describe", "include"]

ROUTE: Final = "oauthguard.authorize"
PURPOSE: Final = "authorize"
CHOICE: Final = "scope."


def include(config: Any, settings: ServerSettings) -> None:
    """Add the route and its views."""
    if AuthorizationCode.GRANT_TYPE not in settings.grants:
        return
    views = {"GET": answer_errors_on_page(show_request), "POST": answer_errors_on_page(answer_decision)}
    add_endpoint(config, ROUTE, f"{settings.path}/authorize", views)


def show_request(request: Any) -> Any:
    """The consent page; or at once the sign-in page, the code, or the refusal."""
    service = find_service(request)
    try:
        authorization = check_request(service, request, _read_request(service, request))
        with _addressed(authorization):
            subject = find_user(service, request)
            if subject is None:
                return sign_in(service, request)
            return _ask(service, request, authorization, subject)
    except OAuth2Error as error:
        return _refuse(service, error)


def answer_decision(request: Any) -> Any:
    """What the user said on the page, if it is of theirs."""
    service = find_service(request)
    form = read_body(request)
    if FIELD not in form.values:
        return redirect(f"{build_path(request, ROUTE)}?{build_query(form)}")
    subject = find_user(service, request)
    if subject is None and (content := find_content(service.pepper, PURPOSE, form.values[FIELD])):
        # The session ended on the page. The request is shown again, to whoever signs in.
        return redirect(f"{build_path(request, ROUTE)}?{content['query']}")
    ticket = open_ticket(service.pepper, PURPOSE, form.values[FIELD], subject=subject)
    if ticket is None:
        return render_page(request, "error", status=400, code="expired_page", description="")
    try:
        authorization = check_request(service, request, read_text(ticket["query"]))
        with _addressed(authorization):
            return _decide(service, request, authorization, str(subject), form=form.values, shown=ticket["shown"])
    except OAuth2Error as error:
        return _refuse(service, error)


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """What the metadata says of it."""
    if AuthorizationCode.GRANT_TYPE not in service.grants:
        return {}
    return {
        "authorization_endpoint": locate(ROUTE),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": [METHOD],
        "authorization_response_iss_parameter_supported": True,  # RFC 9207 section 3
    }


def _read_request(service: Service, request: Any) -> Parameters:
    try:
        return read_query(request)
    except OAuth2Error as error:
        raise add_address(error, service, request.query_string) from None


def _ask(service: Service, request: Any, authorization: AuthorizationRequest, subject: str) -> Any:
    client, scopes, audiences = authorization.client, authorization.scopes, authorization.audiences
    with service.store.reading() as unit:
        check_subject(unit, subject)
        consents = unit.list_consents(subject, client_id=client.client_id)
    if not (service.is_active_user(subject) and approves(service, request, authorization)):
        return _deny(service, authorization, subject, by="application")
    if is_asked(client, scopes, audiences, consents):
        before = find_allowed(consents, audiences)
        return _show_page(service, request, authorization, subject, before=before)
    answer = _approve(service, request, authorization, subject, scopes=scopes, shown=None)
    return answer or _show_page(service, request, authorization, subject, before=frozenset())


def _decide(
    service: Service, request: Any, authorization: AuthorizationRequest, subject: str, *, form: Any, shown: Any
) -> Any:
    with service.store.reading() as unit:
        check_subject(unit, subject)
    if not (service.is_active_user(subject) and approves(service, request, authorization)):
        return _deny(service, authorization, subject, by="application")
    if form.get("decision") == "deny":
        return _deny(service, authorization, subject, by="user")
    if form.get("decision") != "allow":
        raise InvalidRequestError("The parameter decision must be allow or deny.")
    # Of what the page showed and the client may still have, what is ticked: anything else in the form is not looked at.
    chosen = tuple(scope for scope in authorization.scopes if scope in shown and CHOICE + scope in form)
    if shown and not chosen:
        return _show_page(service, request, authorization, subject, before=frozenset(), problem=True)
    return _approve(service, request, authorization, subject, scopes=chosen, shown=shown)


@contextmanager
def _addressed(authorization: AuthorizationRequest) -> Iterator[None]:
    """Let the client be told that something is wrong here, which the log says."""
    try:
        yield
    except ServerError as error:
        error.redirect_uri, error.state = authorization.redirect_uri, authorization.state
        raise


def _show_page(
    service: Service,
    request: Any,
    authorization: AuthorizationRequest,
    subject: str,
    *,
    before: frozenset[str],
    problem: bool = False,
) -> Any:
    shown = {scope: translate(request, service.settings.scopes[scope]) for scope in authorization.scopes}
    ticket = {"query": authorization.query, "shown": shown}
    return render_page(
        request,
        "consent",
        status=422 if problem else 200,
        action=build_path(request, ROUTE),
        apis=name_apis(authorization.client, service.settings, authorization.audiences),
        client=authorization.client,
        destination=_name_destination(authorization.redirect_uri),
        problem=problem,
        scopes=[
            {"name": scope, "text": text, "checked": not problem, "allowed_before": scope in before}
            for scope, text in shown.items()
        ],
        ticket=seal_ticket(service.pepper, PURPOSE, ticket, subject=subject),
        user_name=find_user_name(service, subject),
    )


def _name_destination(uri: str) -> str | None:
    """Whose page comes next: a host, or None for a program on the user's own device."""
    if not uri.lower().startswith(("https:", "http:")):
        return None
    try:
        host = as_origin(uri).host
    except ValueError:
        return urlsplit(uri).netloc  # of a store that was filled by other means: shown as it is
    return None if is_loopback(host) else host


def _approve(
    service: Service,
    request: Any,
    authorization: AuthorizationRequest,
    subject: str,
    *,
    scopes: tuple[str, ...],
    shown: dict[str, str] | None,
) -> Any:
    """Store the approval and send the code; None when it rests on consents that were withdrawn a moment ago.

    :param shown: what the page said, or None where there was no page.
    """
    client, audiences, remembered = authorization.client, authorization.audiences, shown is None
    auth_time, acr = find_auth_time(service, request), find_acr(service, request)
    code = make_opaque(CODE_PREFIX)
    with service.store.writing() as unit:
        if shown is not None:
            remember(unit, client, subject, scopes=scopes, audiences=audiences, wording=shown)
        elif is_asked(client, scopes, audiences, unit.list_consents(subject, client_id=client.client_id, hold=True)):
            return None
        grant = open_grant(unit, client, subject, scopes=scopes, audiences=audiences, auth_time=auth_time, acr=acr)
        unit.add_code(_build_code(service, authorization, grant, code.text))
        event = AuthorizationApproved(client.client_id, subject, scopes, grant.grant_id, remembered)
        service.tell(unit, event)
    return _answer_client(service, authorization.redirect_uri, code=code.text, state=authorization.state)


def _build_code(service: Service, authorization: AuthorizationRequest, grant: Grant, text: str) -> CodeRecord:
    now = time.time()
    return CodeRecord(
        hash=service.pepper.hash_code(text),
        grant_id=grant.grant_id,
        client_id=grant.client_id,
        redirect_uri=authorization.named_redirect_uri,
        code_challenge=authorization.code_challenge,
        created_at=now,
        expires_at=now + service.settings.code_ttl,
    )


def _deny(service: Service, authorization: AuthorizationRequest, subject: str, *, by: str) -> Any:
    event = AuthorizationDenied(authorization.client.client_id, subject, authorization.scopes, by)
    with service.store.writing() as unit:
        service.tell(unit, event)
    error = AccessDeniedError("The request was denied.")
    error.redirect_uri, error.state = authorization.redirect_uri, authorization.state
    return _refuse(service, error)


def _refuse(service: Service, error: OAuth2Error) -> Any:
    """Tell the client, or raise for the page that tells the user (RFC 6749 section 4.1.2.1)."""
    if not error.redirect_uri:
        raise error
    said = {"error": error.error, "error_description": error.get_error_description() or None, "state": error.state}
    return _answer_client(service, error.redirect_uri, **said)


def _answer_client(service: Service, redirect_uri: str, **parameters: str | None) -> Any:
    return redirect(build_answer_uri(redirect_uri, {**parameters, "iss": service.settings.issuer}))
