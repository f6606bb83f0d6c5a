"""Consent for a device (RFC 8628 section 3.3): an approval lets the device have its tokens, and the browser stays here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar

from ..http.mount_point import build_path
from ..store.contract import Unit
from ..store.records import Grant
from .device import UnknownCodeError, format_user_code
from .flow import ConsentFlow
from .notices import leave_notice
from .pages import redirect

__all__ = ["DeviceFlow"]


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

    def store_approval(self, unit: Unit, grant: Grant) -> Any:
        """See :meth:`.ConsentFlow.store_approval`.

        :raises UnknownCodeError: the device was decided a moment ago. The unit is rolled back.
        """
        if not self._store_decision(unit, "approved", grant.grant_id):
            raise UnknownCodeError
        return self._go_back("allow")

    def store_denial(self, unit: Unit) -> bool:
        return self._store_decision(unit, "denied", None)

    def answer_denial(self) -> Any:
        return self._go_back("deny")

    def _store_decision(self, unit: Unit, status: str, grant_id: str | None) -> bool:
        return unit.decide_device(self.service.pepper.hash_code(self.code), status, grant_id, time.time())

    def _go_back(self, notice: str) -> Any:
        response = redirect(build_path(self.request, self.ROUTE))
        return leave_notice(self.service, response, notice, page=self.ROUTE, subject=self.subject)
