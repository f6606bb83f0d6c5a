"""An issuer in a process of its own, so that its cost is not counted for the others.

    with Issuer() as issuer:
        token = issuer.call("issuer.mint", scope="customer_api")
        issuer.fail("slow", "keys")
        issuer.calls

The process runs the HTTP issuer of the tests and is told over its standard input what to do.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from functools import reduce
from pathlib import Path
from typing import Any, Final, Self

__all__ = ["Issuer"]

_ROOT: Final = Path(__file__).parent.parent.parent


class Issuer:
    """The issuer's process, from here."""

    def __init__(self, **options: Any) -> None:
        command = [sys.executable, "-m", "benchmarks.harness.issuer", json.dumps(options)]
        self._process = subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.origin: str = self.call("origin")
        self.settings: dict[str, str] = self.call("settings")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def call(self, name: str, *args: Any, **more: Any) -> Any:
        """The attribute ``name`` of the HTTP issuer (``issuer.`` for the one in memory), called if it can be."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, args, more]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def mint(self, count: int = 1, **claims: Any) -> list[str]:
        """``count`` tokens, no two alike."""
        return self.call("mint_many", count, claims)  # type: ignore[no-any-return]

    def fail(self, fault: str, *endpoints: str, delay: float = 0.1) -> None:
        """Answer so from now on; ``delay`` seconds later where the fault is "slow"."""
        self.call("set_delay", delay)
        self.call("fail", fault, *endpoints)

    def heal(self) -> None:
        """Answer well again."""
        self.call("heal")

    @property
    def calls(self) -> Counter[str]:
        """How often it was asked, by endpoint."""
        return Counter(self.call("calls"))

    @property
    def public_key(self) -> str:
        """The signing key's public half as PEM."""
        return self.call("public_key")  # type: ignore[no-any-return]


def _serve() -> None:
    from tests.issuers import HTTPIssuer

    class Server(HTTPIssuer):
        def mint_many(self, count: int, claims: dict[str, Any]) -> list[str]:
            return [self.issuer.mint(claims) for _ in range(count)]

        def set_delay(self, delay: float) -> None:
            self.delay = delay

        def public_key(self) -> str:
            return self.issuer.signing_key.native.as_pem(private=False).decode()  # type: ignore[no-any-return]

        def withdraw(self) -> None:
            self.issuer.withdraw()

    with Server(**json.loads(sys.argv[1])) as server:
        for line in sys.stdin:
            name, args, more = json.loads(line)
            found = reduce(getattr, name.split("."), server)
            value = found(*args, **more) if callable(found) and not isinstance(found, Counter) else found
            print(json.dumps(value, default=repr), flush=True)


if __name__ == "__main__":
    _serve()
