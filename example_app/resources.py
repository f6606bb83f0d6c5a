"""The resources of the API with their ACLs, which are written in scopes of access tokens."""

from __future__ import annotations

from pyramid.authorization import Allow
from pyramid.request import Request

__all__ = ["Customer", "Customers"]


class Customers:
    """All customers."""

    __acl__ = ((Allow, "scope:customer_api", ("list", "create")),)

    def __init__(self, request: Request) -> None:
        pass


class Customer:
    """One customer, named by the id in the address.

    It does not check that the customer exists: a caller without the scope is refused before, and learns nothing about
    ids.
    """

    __acl__ = ((Allow, "scope:customer_api", ("view", "charge")),)

    def __init__(self, request: Request) -> None:
        self.id = int(request.matchdict["id"])
