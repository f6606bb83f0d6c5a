"""GET and POST /authorize (RFC 6749 section 4.1.1): a user approves or denies a client's request.

GET reads a request and shows the page; POST takes the decision from the page. Only the ticket tells which request it is
for. A POST without a ticket is a client's request; it is redirected to GET.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.request import Request

from ..consent.code_flow import CodeFlow, address_errors, answer_error
from ..consent.decided import SentAgainError
from ..consent.early_ends import report_error
from ..consent.forms import SentForm, SessionEndedError, require_form
from ..consent.languages import prefer_languages
from ..consent.pages import redirect
from ..consent.request import add_address, build_query, find_described, is_described, require_request
from ..consent.resource_owner import ask_user, sign_in
from ..consent.tickets import FIELD, find_content
from ..grants.authorization_code import RESPONSE_MODES, AuthorizationCode
from ..grants.pkce import METHOD
from ..http.errors import OAuth2Error
from ..http.mount_point import build_path
from ..http.parameters import Parameters, find_sent, read_body, read_query, read_text
from ..service import Service, find_service
from ..settings import ServerSettings
from .views import add_page

__all__ = ["describe", "include"]

ROUTE: Final = CodeFlow.ROUTE


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the route and its views."""
    if AuthorizationCode.GRANT_TYPE not in settings.grants:
        return
    views = {"GET": show_request, "POST": answer_decision}
    add_page(config, ROUTE, settings.find_path("authorize"), views, again=_find_again)


def show_request(request: Request) -> Any:
    """The consent page; or, without a page, the redirect to sign in, with a code, or with an error."""
    service = find_service(request)
    try:
        parameters = _read_request(service, request)
        prefer_languages(request, parameters.values.get("ui_locales"))
        described = None
        if is_described(service, parameters):  # nothing is fetched before a user has signed in
            subject = ask_user(service, request)
            if subject is None:
                return sign_in(service, request)
            described = find_described(service, parameters, subject)
        authorization = require_request(service, request, parameters, described=described)
        with address_errors(authorization):
            subject = ask_user(service, request)
            if subject is None:
                return sign_in(service, request)
            return CodeFlow(service=service, request=request, subject=subject, authorization=authorization).ask()
    except OAuth2Error as error:
        if getattr(error, "needs_user", False) and ask_user(service, request) is None:
            return sign_in(service, request)
        report_error(request, error)
        return answer_error(request, error)


def answer_decision(request: Request) -> Any:
    """Handle the user's decision, if this user was shown the page."""
    service, form = find_service(request), read_body(request)
    if FIELD not in form.values:
        return _go_back(request, build_query(form))
    try:
        sent = require_form(service, request, form.values, purpose=CodeFlow.PURPOSE)
        return _decide(service, request, sent, form=form)
    except SessionEndedError as ended:
        return _go_back(request, ended.content["query"])
    except OAuth2Error as error:
        return answer_error(request, error)


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """The members of the metadata."""
    if AuthorizationCode.GRANT_TYPE not in service.grants:
        return {}
    return {
        "authorization_endpoint": locate(ROUTE),
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "code_challenge_methods_supported": [METHOD],
        "authorization_response_iss_parameter_supported": True,  # RFC 9207 section 3
        "client_id_metadata_document_supported": service.settings.self_registration.documents or None,
    }


def _read_request(service: Service, request: Request) -> Parameters:
    try:
        return read_query(request)
    except OAuth2Error as error:
        raise add_address(error, service, request.query_string) from None


def _decide(service: Service, request: Request, sent: SentForm, *, form: Parameters) -> Any:
    parameters = read_text(sent.content["query"])
    prefer_languages(request, parameters.values.get("ui_locales"))
    described = find_described(service, parameters, sent.subject)
    authorization = require_request(service, request, parameters, described=described)
    page = sent.content.get("page", "")
    flow = CodeFlow(service=service, request=request, subject=sent.subject, authorization=authorization, page=page)
    with address_errors(authorization):
        if not page or sent.content.get("client") != flow.seal_client():
            return flow.ask()
        try:
            return flow.decide(form.values, sent.content["shown"])
        except SentAgainError as again:
            return flow.answer_again(again.grant)


def _find_again(request: Request) -> str | None:
    """The request as its client sent it: in the URL, or in the ticket of a page of ours."""
    query = request.query_string
    if request.method == "POST":
        content = find_content(find_service(request).pepper, CodeFlow.PURPOSE, find_sent(request, FIELD))
        query = "" if content is None else content["query"]
    return f"{build_path(request, ROUTE)}?{query}" if query else None


def _go_back(request: Request, query: str) -> Any:
    return redirect(f"{build_path(request, ROUTE)}?{query}")
