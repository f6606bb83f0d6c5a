"""One module for each kind of input from outside."""

from __future__ import annotations

from typing import Final

#: Parsers that need nothing but the input.
PURE: Final = (
    "discovery",
    "shared_cache",
    "parameters",
    "client_authentication",
    "client_answers",
    "inspection",
    "files",
)
#: Applications and verifiers, each made once for a run.
WHOLE: Final = ("tokens", "introspection", "key_sets", "guard_wsgi", "server_wsgi")
NAMES: Final = (*PURE, *WHOLE)
