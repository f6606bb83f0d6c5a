"""How a user is asked for consent, and how the decision is stored: one flow for the authorization endpoint and for devices.

The user reads a page, and sends it back with a decision and a ticket. Each endpoint has a subclass for what differs:
how the request is found again, what an approval makes, and where the browser goes next.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from pyramid.request import Request

from ..clients.evidence import build_evidence
from ..events import AuthorizationApproved, AuthorizationDenied
from ..grants.user_grants import check_own_user, check_subject, find_allowed, is_asked, is_covered, open_grant
from ..http.errors import InvalidRequestError
from ..http.mount_point import build_path
from ..service import Service
from ..store.contract import Unit
from ..store.records import Consent, Grant
from .account import describe_account
from .consents import keep_client, name_apis, remember
from .languages import translate
from .look import LOGO_ROUTE
from .pages import render_page
from .request import AuthorizationRequest
from .resource_owner import ask_acr, ask_auth_time, is_approvable
from .tickets import seal_ticket

__all__ = ["ConsentFlow"]

_CHOICE: Final = "scope."


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentFlow(ABC):
    """One request of a client, and the signed-in user who decides about it.

    :cvar ROUTE: the name of the route that the page is sent to.
    :cvar PURPOSE: of the ticket in the page.
    :cvar TEMPLATE: of the page.
    """

    ROUTE: ClassVar[str]
    PURPOSE: ClassVar[str]
    TEMPLATE: ClassVar[str]

    service: Service
    request: Request
    subject: str
    authorization: AuthorizationRequest

    def ask(self) -> Any:
        """The page; or the refusal, if the application does not let this user approve; or the answer without a page.

        :raises ServerError: see :func:`~pyramid_oauthguard.server.grants.user_grants.check_subject`.
        """
        with self.service.store.reading() as unit:
            self._check_user(unit)
            consents = self._list_consents(unit)
        if not self._is_approvable():
            self.report_refusal()
            return self._deny(by="application")
        return self.answer_at_once(consents) or self._show_page(consents)

    def decide(self, form: Mapping[str, str], shown: Mapping[str, str]) -> Any:
        """The answer to the decision that the user sent.

        :param shown: the page's text for each scope.
        :raises ServerError: see :func:`~pyramid_oauthguard.server.grants.user_grants.check_subject`.
        :raises InvalidRequestError: there is no decision in the form.
        """
        with self.service.store.reading() as unit:
            self._check_user(unit)
        if not self._is_approvable():
            return self._deny(by="application")
        if form.get("decision") == "deny":
            return self._deny(by="user")
        if form.get("decision") != "allow":
            raise InvalidRequestError("The parameter decision must be allow or deny.")
        # The scopes that are ticked, were shown, and that the client may still have. Nothing else in the form is read.
        chosen = tuple(scope for scope in self.authorization.scopes if scope in shown and _CHOICE + scope in form)
        if shown and not chosen:
            return self._show_problem()
        return self._approve(chosen, shown)

    # What the endpoints do in different ways.

    @abstractmethod
    def describe_page(self) -> dict[str, Any]:
        """The template's values that not all consent pages have."""

    @abstractmethod
    def describe_request(self) -> dict[str, Any]:
        """What the ticket carries, so that the request is found again when the page comes back."""

    @abstractmethod
    def describe_query(self) -> str:
        """The query with which the page's address shows this request, for a user who signs in next."""

    @abstractmethod
    def store_approval(self, unit: Unit, grant: Grant) -> Any:
        """Store, in the caller's unit, what the client redeems for tokens. Returns the answer to the browser."""

    @abstractmethod
    def store_denial(self, unit: Unit) -> bool:
        """Store, in the caller's unit, that the request was denied; False when it was decided before."""

    @abstractmethod
    def answer_denial(self) -> Any:
        """The answer to the browser once the request was denied."""

    def answer_at_once(self, consents: tuple[Consent, ...]) -> Any:
        """The answer without a page, or None if the user has to be asked.

        :param consents: what the user allowed the client before.
        """
        return None

    def report_refusal(self) -> Any:
        """Log that the application does not let the user approve, if no other party is told."""
        return None

    # What they have in common.

    def approve_again(self) -> Any:
        """Approve what the user allowed before; None when that was withdrawn a moment ago."""
        facts = self._ask_sign_in_facts()
        with self.service.store.writing() as unit:
            if self.is_asked(self._list_consents(unit, hold=True)):
                return None
            return self._store_grant(unit, self.authorization.scopes, facts, remembered=True)

    def approve_first_party(self) -> Any:
        """Approve a request of the application's own client. No consent is stored: the user did not read a page."""
        facts = self._ask_sign_in_facts()
        with self.service.store.writing() as unit:
            return self._store_grant(unit, self.authorization.scopes, facts, first_party=True)

    def is_asked(self, consents: tuple[Consent, ...]) -> bool:
        """Whether the user has to be asked; see :func:`~pyramid_oauthguard.server.grants.user_grants.is_asked`."""
        authorization, client = self.authorization, self.authorization.client
        if client.is_self_registered and not client.public:
            if not self.service.settings.self_registration.remember_consent:
                return True
            same = tuple(consent for consent in consents if self._is_same(consent))
            return not is_covered(authorization.scopes, authorization.audiences, same)
        return is_asked(client, authorization.scopes, authorization.audiences, consents)

    def _is_same(self, consent: Consent) -> bool:
        """Whether the client is the one that this consent was for, also if its document was changed since."""
        now = build_evidence(self.authorization.client)
        then = (consent.redirect_uri, consent.auth_method, consent.jwks_host)
        return then == (self.authorization.redirect_uri, now.auth_method, now.jwks_host)

    def _approve(self, scopes: tuple[str, ...], shown: Mapping[str, str]) -> Any:
        client, audiences = self.authorization.client, self.authorization.audiences
        facts = self._ask_sign_in_facts()
        with self.service.store.writing() as unit:
            answer = self._store_grant(unit, scopes, facts)
            uri = self.authorization.redirect_uri or None
            how: dict[str, Any] = {"scopes": scopes, "audiences": audiences, "wording": shown, "redirect_uri": uri}
            remember(unit, client, self.subject, **how)
        return answer

    def _store_grant(self, unit: Unit, scopes: tuple[str, ...], facts: Mapping[str, Any], **why: bool) -> Any:
        client, audiences = self.authorization.client, self.authorization.audiences
        keep_client(self.service, unit, client)
        grant = open_grant(unit, client, self.subject, scopes=scopes, audiences=audiences, **facts)
        answer = self.store_approval(unit, grant)
        event = AuthorizationApproved(client.client_id, self.subject, scopes, grant.grant_id, **why)
        self.service.tell(unit, event)
        return answer

    def _deny(self, *, by: str) -> Any:
        authorization = self.authorization
        event = AuthorizationDenied(authorization.client.client_id, self.subject, authorization.scopes, by)
        with self.service.store.writing() as unit:
            if self.store_denial(unit):
                self.service.tell(unit, event)
        return self.answer_denial()

    def _show_problem(self) -> Any:
        with self.service.store.reading() as unit:
            consents = self._list_consents(unit)
        return self._show_page(consents, problem=True)

    def _show_page(self, consents: tuple[Consent, ...], *, problem: bool = False) -> Any:
        service, request, authorization = self.service, self.request, self.authorization
        shown = {scope: translate(request, service.settings.scopes[scope]) for scope in authorization.scopes}
        before = find_allowed(consents, authorization.audiences)
        ticket = {**self.describe_request(), "shown": shown}
        return render_page(
            request,
            self.TEMPLATE,
            status=422 if problem else 200,
            action=build_path(request, self.ROUTE),
            apis=name_apis(authorization.client, service.settings, authorization.audiences),
            client=authorization.client,
            client_logo=self._build_logo_path(),
            problem=problem,
            scopes=[
                {"name": scope, "text": text, "checked": not problem, "allowed_before": scope in before}
                for scope, text in shown.items()
            ],
            ticket=seal_ticket(service.pepper, self.PURPOSE, ticket, subject=self.subject),
            **describe_account(service, request, self.subject, route=self.ROUTE, query=self.describe_query()),
            **self.describe_page(),
        )

    def _build_logo_path(self) -> str | None:
        name = self.authorization.client.logo
        return None if name is None else build_path(self.request, LOGO_ROUTE, name=name)

    def _check_user(self, unit: Unit) -> None:
        check_subject(unit, self.subject)
        check_own_user(self.subject, self.service.settings.assertions)

    def _is_approvable(self) -> bool:
        """Whether the user is active, and the application lets them approve this request."""
        service = self.service
        return service.is_active_user(self.subject) and is_approvable(service, self.request, self.authorization)

    def _ask_sign_in_facts(self) -> dict[str, Any]:
        service, request = self.service, self.request
        return {"auth_time": ask_auth_time(service, request), "acr": ask_acr(service, request)}

    def _list_consents(self, unit: Unit, *, hold: bool = False) -> tuple[Consent, ...]:
        return unit.list_consents(self.subject, client_id=self.authorization.client.client_id, hold=hold)
