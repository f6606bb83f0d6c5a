"""What is stored of users: what an application, a command or an administrator calls to list it, end it and forget it.

::

    from pyramid_oauthguard.server.users import get_users

    get_users(request.registry).forget(subject)  # where the application deletes its user
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Final

from zope.interface import Interface, implementer

from ...includes import require_included
from ..events import ConsentRevoked, UserForgotten
from ..opaque import make_id
from ..service import Service
from ..store.contract import Unit
from ..store.records import Consent, Grant
from ..tokens.revocation import GRANTS_AT_ONCE, revoke_grant

__all__ = ["IUserRegistry", "UserRegistry", "get_users"]

#: The reason of :class:`~pyramid_oauthguard.server.events.TokenRevoked`.
_ENDED: Final = "ended_by_administrator"
_FORGOTTEN: Final = "user_forgotten"


class IUserRegistry(Interface):
    """The registry key of the one :class:`UserRegistry` of an application."""


def get_users(registry: Any) -> UserRegistry:
    """The user registry of the application that ``registry`` (Pyramid's) belongs to.

    :raises OAuthGuardError: the authorization server isn't included, or its configuration isn't committed yet.
    """
    found: UserRegistry = require_included(registry, IUserRegistry)
    return found


@implementer(IUserRegistry)
class UserRegistry:
    """Lists what users allowed, ends it, and forgets users.

    Each method is a transaction of its own that is over when it returns. The grants of a user who has many end in several
    ones, so that no other request has to wait for all of them; after an error, call it again. All of them raise
    :class:`~pyramid_oauthguard.errors.UnavailableError` when the storage can't be reached, and TypeError where a subject is
    not text: a database may find nothing for a number, or refuse to compare it.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def list_grants(self, subject: str, *, limit: int | None = None) -> tuple[Grant, ...]:
        """What this user allowed and has not ended: one grant for each time, the newest first.

        :param limit: the maximum number of rows.
        """
        _check_text(subject)
        with self._service.store.reading() as unit:
            return unit.list_live_grants(subject, limit=limit)

    def list_consents(self, subject: str, *, limit: int | None = None) -> tuple[Consent, ...]:
        """The consents of this user that are remembered, the oldest first.

        :param limit: the maximum number; the newest are returned.
        """
        _check_text(subject)
        with self._service.store.reading() as unit:
            return unit.list_consents(subject, limit=limit)

    def end_grant(self, grant_id: str) -> bool:
        """End one grant with all its tokens; False if there is no such live one. What the user allowed stays remembered."""
        with self._service.store.writing() as unit:
            grant = unit.find_grant(grant_id)
            if grant is None or grant.revoked_at is not None:
                return False
            revoke_grant(self._service, unit, grant_id, client_id=grant.client_id, reason=_ENDED)
        return True

    def end_all(self, subject: str) -> int:
        """End all grants of a user with all their tokens, and withdraw all consents: each client has to ask again.

        :return: how many grants ended.
        """
        _check_text(subject)
        ended = self._end_many(subject, _ENDED)
        with self._service.store.writing() as unit:
            return ended + self._end_all(unit, subject, _ENDED)

    def forget(self, subject: str) -> None:
        """End all grants of a user, and remove the user from all that is stored: consents are deleted, and grants and tokens
        name a random alias until they are pruned. The audit trail keeps its ids.

        Do this where the application deletes the user; nothing stops a user who can still sign in from allowing something again.
        """
        _check_text(subject)
        self._end_many(subject, _FORGOTTEN)
        with self._service.store.writing() as unit:
            self._end_all(unit, subject, _FORGOTTEN)
            unit.forget_user(subject, f"forgotten-{make_id()}")
            self._service.tell(unit, UserForgotten(subject))

    def _end_many(self, subject: str, reason: str) -> int:
        """End grants until so few are left that one transaction can end them. Returns how many ended."""
        ended = 0
        while True:
            with self._service.store.writing() as unit:
                grants = unit.list_live_grants(subject, limit=GRANTS_AT_ONCE)
                if len(grants) < GRANTS_AT_ONCE:
                    return ended
                self._end_consents(unit, subject)  # first: nothing may be allowed anew without a question
                self._end_grants(unit, grants, reason)
                ended += len(grants)

    def _end_all(self, unit: Unit, subject: str, reason: str) -> int:
        self._end_consents(unit, subject)
        grants = unit.list_live_grants(subject)
        self._end_grants(unit, grants, reason)
        return len(grants)

    def _end_consents(self, unit: Unit, subject: str) -> None:
        for client_id in dict.fromkeys(each.client_id for each in unit.list_consents(subject)):
            unit.withdraw_consents(subject, client_id, time.time())
            self._service.tell(unit, ConsentRevoked(client_id, subject))

    def _end_grants(self, unit: Unit, grants: Iterable[Grant], reason: str) -> None:
        for grant in grants:
            revoke_grant(self._service, unit, grant.grant_id, client_id=grant.client_id, reason=reason)


def _check_text(subject: object) -> None:
    if not isinstance(subject, str):
        raise TypeError(f"the subject must be text, not {type(subject).__name__}: give str(user.id)")
