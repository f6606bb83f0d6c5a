"""Consent at the authorization endpoint (RFC 6749 section 4.1): an approval makes a code, which the browser takes along."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from pyramid.request import Request

from ..clients.evidence import build_evidence
from ..clients.redirect_uris import leaves_device
from ..http.errors import AccessDeniedError, OAuth2Error, ServerError
from ..opaque import CODE_PREFIX, make_id, make_opaque
from ..service import find_service
from ..store.contract import Unit
from ..store.records import CodeRecord, Consent, Grant
from .answers import answer_client
from .decided import DecidedPageError, SentAgainError, derive_code, find_live_code, take_page
from .early_ends import report_refusal
from .flow import ConsentFlow
from .naming import describe_destination, find_home
from .request import AuthorizationRequest

__all__ = ["CodeFlow", "address_errors", "answer_error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFlow(ConsentFlow):
    """See :class:`~.flow.ConsentFlow`. The ticket carries the parameters, which are checked again.

    :ivar page: the id of the page that the decision comes from; empty before there is a decision.
    """

    ROUTE: ClassVar[str] = "oauthguard.authorize"
    PURPOSE: ClassVar[str] = "authorize"
    TEMPLATE: ClassVar[str] = "consent"

    page: str = ""

    def describe_page(self) -> dict[str, Any]:
        destination = describe_destination(self.authorization.redirect_uri)
        home = find_home(self.authorization.client)
        return {"destination": destination.host, "place": destination.place, "home_of_client": home}

    def describe_request(self) -> dict[str, Any]:
        return {"query": self.authorization.query, "client": self.seal_client(), "page": make_id()}

    def seal_client(self) -> str:
        """A text that differs if the client on the page is not what it was, or the answer would go elsewhere: a document may
        change at any time, and so may a registration."""
        asked = self.authorization
        return build_evidence(asked.client).seal(redirect_uri=asked.redirect_uri, audiences=asked.audiences)

    def describe_query(self) -> str:
        return self.authorization.query

    def answer_at_once(self, consents: tuple[Consent, ...]) -> Any:
        if self.request.method == "HEAD":  # it asks about the page only, so nothing is approved
            return None
        if self._is_first_party():
            return self.approve_first_party()
        return None if self.is_asked(consents) else self.approve_again()

    def _is_first_party(self) -> bool:
        client = self.authorization.client
        return client.first_party and not client.is_self_registered and leaves_device(self.authorization.redirect_uri)

    def report_refusal(self) -> None:
        report_refusal(self.authorization)

    def store_approval(self, unit: Unit, grant: Grant) -> Any:
        """See :meth:`.ConsentFlow.store_approval`.

        :raises SentAgainError: the user decided on this page before. The unit is rolled back.
        """
        if self.page and not take_page(unit, self.service.pepper, self.page):
            raise SentAgainError(grant)
        code = self._make_code()
        unit.add_code(self._build_code(grant, code))
        return self._answer_approval(code)

    def answer_again(self, grant: Grant) -> Any:
        """The answer to an approval that was sent again.

        :param grant: what it would have opened.
        :raises DecidedPageError: the user denied, or allowed something else, or the client has used the code.
        """
        with self.service.store.reading() as unit:
            code = find_live_code(unit, self.service.pepper, self.page, grant)
        if code is None:
            raise DecidedPageError
        return self._answer_approval(code)

    def store_denial(self, unit: Unit) -> bool:
        """See :meth:`.ConsentFlow.store_denial`.

        :raises DecidedPageError: the user allowed it before, on the same page.
        """
        if not self.page or take_page(unit, self.service.pepper, self.page):
            return True
        if unit.find_code(self.service.pepper.hash_code(self._make_code())) is not None:
            raise DecidedPageError
        return False

    def answer_denial(self) -> Any:
        error = AccessDeniedError("The request was denied.")
        return answer_error(self.request, _address(error, self.authorization))

    def _make_code(self) -> str:
        return derive_code(self.service.pepper, self.page) if self.page else make_opaque(CODE_PREFIX).text

    def _answer_approval(self, code: str) -> Any:
        authorization = self.authorization
        said = {"code": code, "state": authorization.state, "iss": self.service.settings.issuer}
        return answer_client(self.request, authorization.redirect_uri, authorization.response_mode, said)

    def _build_code(self, grant: Grant, text: str) -> CodeRecord:
        now, service = time.time(), self.service
        return CodeRecord(
            hash=service.pepper.hash_code(text),
            grant_id=grant.grant_id,
            client_id=grant.client_id,
            redirect_uri=self.authorization.named_redirect_uri,
            code_challenge=self.authorization.code_challenge,
            created_at=now,
            expires_at=now + service.settings.code_ttl,
        )


@contextmanager
def address_errors(authorization: AuthorizationRequest) -> Iterator[None]:
    """Tell the client about an error in the server or the application; the details are in the log."""
    try:
        yield
    except ServerError as error:
        raise _address(error, authorization) from None


def answer_error(request: Request, error: OAuth2Error) -> Any:
    """Tell the client, or raise the error for the page that tells the user (RFC 6749 section 4.1.2.1)."""
    if not error.redirect_uri:
        raise error
    said = {"error": error.error, "error_description": error.get_error_description() or None, "state": error.state}
    said["iss"] = find_service(request).settings.issuer
    return answer_client(request, error.redirect_uri, error.response_mode, said)


def _address(error: OAuth2Error, authorization: AuthorizationRequest) -> OAuth2Error:
    error.redirect_uri, error.state = authorization.redirect_uri, authorization.state
    error.response_mode = authorization.response_mode
    return error
