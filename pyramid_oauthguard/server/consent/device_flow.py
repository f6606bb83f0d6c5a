"""Consent for a device (RFC 8628 section 3.3): an approval lets the device have its tokens, and the browser stays here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from pyramid.request import Request

from ..http.mount_point import build_path
from ..service import Service
from ..store.contract import Unit
from ..store.records import Grant
from .device import UnknownCodeError, format_user_code
from .flow import ConsentFlow
from .notices import leave_notice
from .pages import redirect

__all__ = ["DeviceFlow", "show_decision"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFlow(ConsentFlow):
    """See :class:`~.flow.ConsentFlow`. The user is asked each time, because anyone can have sent them the code.

    :ivar code: the user code, which the ticket carries.
    """

    ROUTE: ClassVar[str] = "oauthguard.device"
    PURPOSE: ClassVar[str] = "device decision"
    TEMPLATE: ClassVar[str] = "device_consent"

    code: str

    def describe_page(self) -> dict[str, Any]:
        return {"user_code": format_user_code(self.code)}

    def describe_request(self) -> dict[str, Any]:
        return {"code": self.code}

    def describe_query(self) -> str:
        return urlencode({"user_code": format_user_code(self.code)})

    def store_approval(self, unit: Unit, grant: Grant) -> Any:
        """See :meth:`.ConsentFlow.store_approval`.

        :raises UnknownCodeError: the device was decided a moment ago. The unit is rolled back.
        """
        if not self._store_decision(unit, "approved", grant.grant_id):
            raise UnknownCodeError
        return show_decision(self.service, self.request, self.subject, decision="allow")

    def store_denial(self, unit: Unit) -> bool:
        return self._store_decision(unit, "denied", None)

    def answer_denial(self) -> Any:
        return show_decision(self.service, self.request, self.subject, decision="deny")

    def _store_decision(self, unit: Unit, status: str, grant_id: str | None) -> bool:
        return unit.decide_device(self.service.pepper.hash_code(self.code), status, grant_id, time.time())


def show_decision(service: Service, request: Request, subject: str, *, decision: str) -> Any:
    """The redirect to the page that says what was decided."""
    response = redirect(build_path(request, DeviceFlow.ROUTE))
    return leave_notice(service, response, decision, page=DeviceFlow.ROUTE, subject=subject)
