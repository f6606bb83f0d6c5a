"""What the API is about, and who may do what with it: the ACLs, in terms of the scopes of an access token."""

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

    It does not look whether there is one: whoever lacks the scope is told so, and learns nothing about ids.
    """

    __acl__ = ((Allow, "scope:customer_api", ("view", "charge")),)

    def __init__(self, request: Request) -> None:
        self.id = int(request.matchdict["id"])
