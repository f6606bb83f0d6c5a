"""The three tools, each with the scope that it requires."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, validate
from sqlalchemy.orm import Session

from ..accounts import add_charge, describe_charge, describe_customer, list_page, load_customer
from ..money import NumberLiteral, format_units
from ..schemas import Amount, find_errors

__all__ = ["TOOLS", "Tool", "WrongArguments", "run_tool"]

_MOST_CUSTOMERS: Final = 50
_MAX_ID: Final = 10**18 - 1


class WrongArguments(Exception):
    """The model can try again with other arguments; its text says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool.

    :ivar scope: what a token must have to run it.
    :ivar load: the schema of its arguments.
    :ivar arguments: the same for clients, as JSON Schema.
    """

    name: str
    title: str
    description: str
    scope: str
    load: Schema
    arguments: dict[str, Any]
    run: Callable[[Session, dict[str, Any]], dict[str, Any]]
    writes: bool = False

    def describe(self) -> dict[str, Any]:
        """The tool as ``tools/list`` has it."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": {"type": "object", "additionalProperties": False, **self.arguments},
            "annotations": {"readOnlyHint": not self.writes, "openWorldHint": False},
        }


class _WholeNumber(fields.Field[int]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        text = value.text if isinstance(value, NumberLiteral) else ""
        if not text.isdigit() or int(text[:20]) > _MAX_ID:
            raise ValidationError("must be a whole number")
        return int(text)


class _Strict(Schema):
    class Meta:
        """Options of marshmallow."""

        unknown = RAISE


class _ListArguments(_Strict):
    after = _WholeNumber(load_default=0)


class _ShowArguments(_Strict):
    id = _WholeNumber(required=True)


class _ChargeArguments(_ShowArguments):
    amount = Amount(required=True, validate=validate.Range(min=1, error="must be more than 0"))


def run_tool(tool: Tool, db: Session, arguments: Any) -> dict[str, Any]:
    """The result of a tool. :raises WrongArguments: naming the arguments that can't be used."""
    try:
        loaded: dict[str, Any] = tool.load.load(arguments)
    except ValidationError as error:
        found = (f"{each.field}: {each.detail}" for each in find_errors(error))
        raise WrongArguments("; ".join(found)) from error
    return tool.run(db, loaded)


def _list_customers(db: Session, arguments: dict[str, Any]) -> dict[str, Any]:
    found, more = list_page(db, after=arguments["after"], limit=_MOST_CUSTOMERS)
    return {"customers": [describe_customer(each) for each in found], "next": found[-1].id if more else None}


def _show_customer(db: Session, arguments: dict[str, Any]) -> dict[str, Any]:
    return describe_customer(load_customer(db, arguments["id"]))


def _charge_customer(db: Session, arguments: dict[str, Any]) -> dict[str, Any]:
    charge, balance = add_charge(db, arguments["id"], arguments["amount"])
    return {**describe_charge(charge), "balance": format_units(balance)}


_ID: Final = {"type": "integer", "minimum": 1, "description": "The id of the customer."}
_AMOUNT: Final = {"type": "string", "description": 'The amount in decimals, such as "12.50".'}

TOOLS: Final = {
    tool.name: tool
    for tool in (
        Tool(
            name="list_customers",
            title="List customers",
            description="Lists customers with their balances, 50 at a time.",
            scope="customers:read",
            load=_ListArguments(),
            arguments={"properties": {"after": {"type": "integer", "description": "next of the page before."}}},
            run=_list_customers,
        ),
        Tool(
            name="show_customer",
            title="Show a customer",
            description="Shows the name and the balance of one customer.",
            scope="customers:read",
            load=_ShowArguments(),
            arguments={"properties": {"id": _ID}, "required": ["id"]},
            run=_show_customer,
        ),
        Tool(
            name="charge_customer",
            title="Charge a customer",
            description="Adds an amount to what a customer owes.",
            scope="customers:charge",
            load=_ChargeArguments(),
            arguments={"properties": {"id": _ID, "amount": _AMOUNT}, "required": ["id", "amount"]},
            run=_charge_customer,
            writes=True,
        ),
    )
}
