"""/customers: reading is checked here (local), charging asks the issuer first (remote)."""

# ruff: noqa: S106  # token_check and token_require are no passwords

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError
from pyramid.request import Request
from pyramid.view import view_config
from sqlalchemy import select, update

from .. import models
from ..bodies import read_json, read_query
from ..money import LIMIT, format_units
from ..problems import InvalidFields, InvalidParameters, Missing, WrongField
from ..resources import Customer, Customers
from ..schemas import NewCharge, NewCustomer, Page, find_errors

__all__: list[str] = []


@view_config(route_name="customers", request_method="GET", renderer="json", permission="list", token_check="local")
def list_customers(context: Customers, request: Request) -> dict[str, Any]:
    """A page of customers in the order of their ids; ``next`` is the address of the following one, or null."""
    page = _load_query(request)
    query = select(models.Customer).where(models.Customer.id > page["after"]).order_by(models.Customer.id)
    found = request.db.scalars(query.limit(page["limit"] + 1)).all()
    shown = found[: page["limit"]]
    more = len(found) > len(shown)
    return {
        "customers": [_show_customer(customer) for customer in shown],
        "next": request.route_path("customers", _query={"after": shown[-1].id, "limit": page["limit"]})
        if more
        else None,
    }


@view_config(route_name="customers", request_method="POST", renderer="json", permission="create", token_check="local")
def create_customer(context: Customers, request: Request) -> dict[str, Any]:
    """201 with the new customer and its address."""
    fields = _load_body(NewCustomer(), request)
    customer = models.Customer(name=fields["name"], balance=fields["balance"])
    request.db.add(customer)
    request.db.flush()
    request.response.status = 201
    request.response.headers["Location"] = request.route_path("customer", id=customer.id)
    return _show_customer(customer)


@view_config(route_name="customer", request_method="GET", renderer="json", permission="view", token_check="local")
def show_customer(context: Customer, request: Request) -> dict[str, Any]:
    """One customer."""
    customer = request.db.get(models.Customer, context.id)
    if customer is None:
        raise Missing(f"There is no customer {context.id}.")
    return _show_customer(customer)


@view_config(route_name="charges", request_method="POST", renderer="json", permission="charge", token_check="remote")
def charge_customer(context: Customer, request: Request) -> dict[str, Any]:
    """201 with the new charge and the balance after it. The issuer was asked whether the token still stands."""
    amount = _load_body(NewCharge(), request)["amount"]
    balance = _add_to_balance(request, context.id, amount)
    charge = models.Charge(customer_id=context.id, amount=amount)
    request.db.add(charge)
    request.db.flush()
    request.response.status = 201
    request.response.headers["Location"] = request.route_path("charge", id=context.id, charge=charge.id)
    return {**_show_charge(charge), "balance": format_units(balance)}


@view_config(route_name="charge", request_method="GET", renderer="json", permission="view", token_check="local")
def show_charge(context: Customer, request: Request) -> dict[str, Any]:
    """One charge."""
    charge = request.db.get(models.Charge, int(request.matchdict["charge"]))
    if charge is None or charge.customer_id != context.id:
        raise Missing(f"Customer {context.id} has no such charge.")
    return _show_charge(charge)


def _add_to_balance(request: Request, customer_id: int, amount: int) -> int:
    """The balance after ``amount`` was added: one statement, so that two charges at once both count."""
    customer = models.Customer
    added = request.db.scalar(
        update(customer)
        .where(customer.id == customer_id, customer.balance <= LIMIT - amount)
        .values(balance=customer.balance + amount)
        .returning(customer.balance)
        .execution_options(synchronize_session=False)
    )
    if added is not None:
        return int(added)
    if request.db.get(customer, customer_id) is None:
        raise Missing(f"There is no customer {customer_id}.")
    raise InvalidFields((WrongField("amount", f"would make the balance more than {format_units(LIMIT)}"),))


def _load_body(schema: Schema, request: Request) -> dict[str, Any]:
    body = read_json(request)
    try:
        loaded: dict[str, Any] = schema.load(body)
    except ValidationError as error:
        raise InvalidFields(find_errors(error)) from error
    return loaded


def _load_query(request: Request) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = Page().load(read_query(request))
    except ValueError as error:
        raise InvalidParameters((WrongField("query", "is not UTF-8, or has too many parameters"),)) from error
    except ValidationError as error:
        raise InvalidParameters(find_errors(error)) from error
    return loaded


def _show_customer(customer: models.Customer) -> dict[str, Any]:
    return {"id": customer.id, "name": customer.name, "balance": format_units(customer.balance)}


def _show_charge(charge: models.Charge) -> dict[str, Any]:
    return {"id": charge.id, "customer": charge.customer_id, "amount": format_units(charge.amount)}
