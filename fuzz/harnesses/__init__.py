"""One module for each kind of input from outside."""

from __future__ import annotations

from typing import Final

#: Parsers that need nothing but the input, each with the number of inputs that it reads in about five seconds.
PURE: Final = {
    "discovery": 50_000,
    "shared_cache": 30_000,
    "parameters": 25_000,
    "client_authentication": 30_000,
    "client_answers": 25_000,
    "inspection": 18_000,
    "files": 30_000,
    "key_sets": 3_000,
}
#: Applications and verifiers, each made once for a run.
WHOLE: Final = {"tokens": 4_000, "introspection": 20_000, "guard_wsgi": 8_000, "server_wsgi": 1_500}
RUNS: Final = {**PURE, **WHOLE}
NAMES: Final = tuple(RUNS)
