"""A call of the API, what it sends, and how errors of the registries are answered."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pyramid.request import Request

from ...clients.versions import ClientChangedError
from ...grant_types import RegistrationError
from ...http.answers import build_answer
from ...http.errors import InvalidRequestError
from ...http.json_body import read_json
from ...keys.registry import SigningKeyError
from ...service import Service, find_service
from ..access import list_names, read_values
from ..trail import as_number
from .access import find_caller
from .errors import SignInRequiredError

__all__ = ["Call", "Operation", "build_view"]


_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an administrator."""

    service: Service
    request: Request
    query: Mapping[str, str] = field(repr=False)

    @property
    def registry(self) -> Any:
        """Pyramid's."""
        return self.request.registry

    def require(self, name: str) -> str:
        """A value of the query. :raises InvalidRequestError: it is not there."""
        if name not in self.query:
            raise InvalidRequestError(f"The parameter {name} is missing.")
        return self.query[name]

    def read_number(self, name: str) -> int | None:
        """A whole number of the query, None if it is not there. :raises InvalidRequestError: it is something else."""
        return as_number(name, self.query.get(name))

    def read_limit(self, default: int) -> int:
        """How many things the caller wants at the most: 1 to 10,000."""
        wanted = self.read_number("limit")
        return default if wanted is None else max(1, min(wanted, _MOST))

    def read_body(self) -> dict[str, Any]:
        """The JSON object in the body. :raises InvalidRequestError: there is none."""
        return read_json(self.request)


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """What a path does with one method.

    :ivar parameters: that the query may have. No other one is ignored: its caller may have meant to end less.
    """

    handler: Handler
    parameters: tuple[str, ...] = ()


def build_view(operation: Operation, *, needs_sign_in: bool) -> Callable[[Request], Any]:
    """The view of an operation.

    :param needs_sign_in: only for users who signed in lately.
    """

    @functools.wraps(operation.handler)
    def view(request: Request) -> Any:
        service = find_service(request)
        caller = find_caller(service, request)
        if needs_sign_in and not caller.has_signed_in_lately:
            raise SignInRequiredError
        try:
            return operation.handler(Call(service, request, _read_query(request, operation.parameters)))
        except ClientChangedError as error:
            return build_answer(412, {"error": "changed", "error_description": error.problem})
        except RegistrationError as error:
            body = {"error": "invalid_field", "field": error.argument, "error_description": error.problem}
            return build_answer(422, body)
        except SigningKeyError as error:
            return build_answer(409, {"error": "signing_key", "error_description": error.problem})

    return view


def _read_query(request: Request, known: tuple[str, ...]) -> Mapping[str, str]:
    """:raises InvalidRequestError: a parameter is unknown, repeated, or has no value."""
    values = read_values(request)
    for name in list_names(request):
        if name not in known:
            raise InvalidRequestError(f"The parameters can be: {', '.join(known) or 'none'}.")
        if name not in values:
            raise InvalidRequestError(f"The parameter {name} has no value.")
    return values
