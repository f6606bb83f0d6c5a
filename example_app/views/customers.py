"""/customers: reading is checked here (local), charging asks the issuer first (remote)."""

# ruff: noqa: S106  # token_check and token_require are not passwords

from __future__ import annotations

from typing import Any

from pyramid.request import Request
from pyramid.view import view_config

from .. import models
from ..accounts import add_charge, describe_charge, describe_customer, list_page, load_customer
from ..money import as_units, format_units
from ..problems import Missing
from ..resources import Customer, Customers

__all__: list[str] = []


@view_config(
    route_name="customers", request_method="GET", renderer="json", permission="list", token_check="local", openapi=True
)
def list_customers(context: Customers, request: Request) -> dict[str, Any]:
    """A page of customers in the order of their ids; ``next`` is the address of the following one, or null."""
    page = request.openapi_validated.parameters.query
    shown, more = list_page(request.db, after=page["after"], limit=page["limit"])
    return {
        "customers": [describe_customer(customer) for customer in shown],
        "next": request.route_path("customers", _query={"after": shown[-1].id, "limit": page["limit"]})
        if more
        else None,
    }


@view_config(
    route_name="customers",
    request_method="POST",
    renderer="json",
    permission="create",
    token_check="local",
    openapi=True,
)
def create_customer(context: Customers, request: Request) -> dict[str, Any]:
    """201 with the new customer and its address."""
    fields = request.openapi_validated.body
    customer = models.Customer(name=fields["name"].strip(), balance=as_units(fields.get("balance", "0")))
    request.db.add(customer)
    request.db.flush()
    request.response.status = 201
    request.response.headers["Location"] = request.route_path("customer", id=customer.id)
    return describe_customer(customer)


@view_config(
    route_name="customer", request_method="GET", renderer="json", permission="view", token_check="local", openapi=True
)
def show_customer(context: Customer, request: Request) -> dict[str, Any]:
    """One customer."""
    return describe_customer(load_customer(request.db, context.id))


@view_config(
    route_name="charges",
    request_method="POST",
    renderer="json",
    permission="charge",
    token_check="remote",
    openapi=True,
)
def charge_customer(context: Customer, request: Request) -> dict[str, Any]:
    """201 with the new charge and the balance after it. The issuer was asked whether the token still stands."""
    charge, balance = add_charge(request.db, context.id, as_units(request.openapi_validated.body["amount"]))
    request.response.status = 201
    request.response.headers["Location"] = request.route_path("charge", id=context.id, charge=charge.id)
    return {**describe_charge(charge), "balance": format_units(balance)}


@view_config(
    route_name="charge", request_method="GET", renderer="json", permission="view", token_check="local", openapi=True
)
def show_charge(context: Customer, request: Request) -> dict[str, Any]:
    """One charge."""
    charge = request.db.get(models.Charge, int(request.matchdict["charge"]))
    if charge is None or charge.customer_id != context.id:
        raise Missing(f"Customer {context.id} has no such charge.")
    return describe_charge(charge)
