"""Data to standard output, words for people to standard error, and no secret in either by accident."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

import click

from ..client.text import clean
from ..strict_json import check_depth

__all__ = ["Console"]

_MASK: Final = "***"
#: Colours cost a thousand times what the text costs.
_MOST_COLOURED_CHARS: Final = 100_000
#: What programs take for the end of a line, and all that could be part of it.
_BREAKS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
# Requests and answers show the values of these and nobody else's.
_SHOWN: Final = frozenset(
    """
    active aud audience auth_time azp client_id code_challenge_method device_authorization_endpoint
    error error_description exp expires_in expires_at grant_type iat interval introspection_endpoint iss
    issuer jti jwks_uri nbf preferred_username prompt redirect_uri resource response_type
    revocation_endpoint scope sub token_endpoint token_type token_type_hint username userinfo_endpoint
    verification_uri
    """.split()  # noqa: SIM905  # a list of forty words reads worse
)


class Console:
    """Where one run of the command speaks.

    :ivar quiet: no words but those of a failure.
    :ivar verbose: requests and answers too, masked.
    :ivar debug: a traceback with a failure.
    :ivar color: False switches colours off; otherwise a terminal without ``NO_COLOR`` has them.
    """

    def __init__(self) -> None:
        self.quiet = False
        self.verbose = False
        self.debug = False
        self.color = True
        self._secrets: set[str] = set()

    def protect(self, *secrets: str | None) -> None:
        """Replace each of ``secrets`` by a mask in everything that is said from now on."""
        self._secrets.update(secret for secret in secrets if secret and len(secret) > 3)

    def redact(self, text: str) -> str:
        # Longer ones first: a secret may contain another.
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, _MASK)
        return text

    def write(self, text: str) -> None:
        """Data of our own making to standard output, made safe for a terminal where it is one. It may have several lines."""
        click.echo(clean(text, keep="\n\t") if sys.stdout.isatty() else _encodable(text))

    def write_line(self, text: str) -> None:
        """Data that others chose, such as a name: one line to standard output, on a terminal and in a pipe."""
        click.echo(clean(text) if sys.stdout.isatty() else _encodable(_BREAKS.sub(_escape, text)))

    def write_json(self, value: Any) -> None:
        """Data as JSON: coloured and indented for people, plain for programs."""
        if not sys.stdout.isatty():
            click.echo(json.dumps(value, indent=2))
            return
        text = clean(json.dumps(value, indent=2, ensure_ascii=False), keep="\n")
        if not self.color or len(text) > _MOST_COLOURED_CHARS:
            click.echo(text)
            return
        from rich.console import Console as Rich
        from rich.syntax import Syntax

        Rich().print(Syntax(text, "json", background_color="default", word_wrap=True))

    def write_body(self, body: bytes, content_type: str) -> None:
        """An answer's body: as it came for programs; for people JSON in colours and no controls of a terminal."""
        if not sys.stdout.isatty():
            sys.stdout.buffer.write(body)
            sys.stdout.flush()
            return
        if "json" in content_type.lower():
            with suppress(ValueError, RecursionError):
                value = json.loads(body)
                check_depth(value)  # each level indents its lines further
                self.write_json(value)
                return
        self.write(body.decode("utf-8", "replace"))

    def say(self, text: str) -> None:
        """Words: one line to standard error, unless quiet."""
        if not self.quiet:
            self._echo(text)

    def show(self, text: str) -> None:
        """Words that the user needs to go on: to standard error, quiet or not."""
        self._echo(text)

    def show_apart(self, text: str) -> None:
        """Something to copy, on a line between empty ones."""
        for line in ("", f"  {text}", ""):
            self._echo(line)

    def fail(self, text: str) -> None:
        self._echo(f"oauthguard: {text}")

    @contextmanager
    def waiting(self, text: str, deadline: float) -> Iterator[Callable[[], None]]:
        """Say ``text`` and, on a terminal, the time left until ``deadline``; call what is given twice a second."""
        if self.quiet or not sys.stderr.isatty():
            self.say(f"{text} …")
            yield lambda: None
            return
        from rich.console import Console as Rich

        with Rich(stderr=True, no_color=None if self.color else True).status(text) as status:

            def tick() -> None:
                minutes, seconds = divmod(max(0, int(deadline - time.monotonic())), 60)
                status.update(f"{text} … {minutes}:{seconds:02} left")

            yield tick

    def trace_request(self, method: str, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> None:
        if not self.verbose:
            return
        self._echo(f"> {method} {url}")
        for name, value in headers.items():
            scheme = value.split(" ", 1)[0] if name.lower() == "authorization" and " " in value else ""
            self._echo(f">   {name}: {scheme} {_MASK}" if scheme else f">   {name}: {value}")
        for name, value in form.items():
            self._echo(f">   {name}={value if name in _SHOWN else _MASK}")

    def trace_answer(self, status: int, body: Mapping[str, Any]) -> None:
        if self.verbose:
            shown = {name: value for name, value in body.items() if name in _SHOWN}
            hidden = [clean(name) for name in body if name not in _SHOWN]
            rest = f"; {_MASK} for {', '.join(hidden)}" if hidden else ""
            self._echo(f"< {status} {json.dumps(shown)}{rest}"[:4000])

    def trace_failure(self, words: str) -> None:
        if self.verbose:
            self._echo(f"< {words}")

    def _echo(self, text: str) -> None:
        click.echo(clean(self.redact(text)), err=True)


def _escape(found: re.Match[str]) -> str:
    return repr(found[0])[1:-1]


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
