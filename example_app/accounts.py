"""What can be done with customers, for the views and the tools alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from .models import Charge, Customer
from .money import LIMIT, format_units
from .problems import InvalidFields, Missing, WrongField

__all__ = ["add_charge", "describe_charge", "describe_customer", "list_page", "load_customer"]


def list_page(db: Session, *, after: int, limit: int) -> tuple[Sequence[Customer], bool]:
    """``limit`` customers at most whose ids are higher than ``after``, and whether there are more."""
    query = select(Customer).where(Customer.id > after).order_by(Customer.id)
    found = db.scalars(query.limit(limit + 1)).all()
    return found[:limit], len(found) > limit


def load_customer(db: Session, customer_id: int) -> Customer:
    """One customer. :raises Missing: there is none with this id."""
    customer = db.get(Customer, customer_id)
    if customer is None:
        raise Missing(f"There is no customer {customer_id}.")
    return customer


def add_charge(db: Session, customer_id: int, amount: int) -> tuple[Charge, int]:
    """The new charge, and the balance after it.

    :raises Missing: there is no such customer.
    :raises InvalidFields: the balance would be too high.
    """
    balance = _add_to_balance(db, customer_id, amount)
    charge = Charge(customer_id=customer_id, amount=amount)
    db.add(charge)
    db.flush()
    return charge, balance


def _add_to_balance(db: Session, customer_id: int, amount: int) -> int:
    """The balance after ``amount`` was added: one statement, so that two charges at once both count."""
    added = db.scalar(
        update(Customer)
        .where(Customer.id == customer_id, Customer.balance <= LIMIT - amount)
        .values(balance=Customer.balance + amount)
        .returning(Customer.balance)
        .execution_options(synchronize_session=False)
    )
    if added is not None:
        return int(added)
    load_customer(db, customer_id)
    raise InvalidFields((WrongField("amount", f"would make the balance more than {format_units(LIMIT)}"),))


def describe_customer(customer: Customer) -> dict[str, Any]:
    """A customer as JSON shows it."""
    return {"id": customer.id, "name": customer.name, "balance": format_units(customer.balance)}


def describe_charge(charge: Charge) -> dict[str, Any]:
    """A charge as JSON shows it."""
    return {"id": charge.id, "customer": charge.customer_id, "amount": format_units(charge.amount)}
