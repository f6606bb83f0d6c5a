"""What the command prints: data on standard output, messages on standard error, and no secret in either."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from ..client.errors import CommandError
from ..client.text import clean, clean_line
from ..exit_status import USAGE
from ..strict_json import check_depth

if TYPE_CHECKING:
    import rich.console

__all__ = ["FORMAT", "Console", "format_moment", "format_time"]

FORMAT: Final = click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How data is printed.",
)

_MASK: Final = "***"
_SHORTEST_SECRET_CHARS: Final = 4
_LONGEST_TRACE_CHARS: Final = 4000
#: Colours cost a thousand times what the text costs.
_MOST_COLOURED_CHARS: Final = 100_000
# The members of requests and answers whose values --verbose shows.
_SHOWN: Final = frozenset(
    """
    active aud audience auth_time azp client_id code_challenge_method device_authorization_endpoint
    error error_description exp expires_in expires_at grant_type iat interval introspection_endpoint iss
    issuer jti jwks_uri nbf preferred_username prompt redirect_uri resource response_type
    revocation_endpoint scope sub token_endpoint token_type token_type_hint username userinfo_endpoint
    verification_uri
    """.split()  # noqa: SIM905  # a list of forty words reads worse
)
#: The headers of requests whose values --verbose shows. Any other may be a credential, such as Cookie or X-Api-Key.
_SHOWN_HEADERS: Final = frozenset(
    """
    accept accept-encoding accept-language cache-control content-type if-match if-none-match mcp-protocol-version origin
    prefer user-agent
    """.split()  # noqa: SIM905
)


class Console:
    """Prints for one run of the command. Data goes to what standard output is when the console is made.

    :ivar quiet: print no messages except failures and what the user needs to continue.
    :ivar verbose: print requests and answers too, masked.
    :ivar debug: print a traceback with a failure.
    :ivar color: False switches colours off; otherwise a terminal without ``NO_COLOR`` has them.
    """

    def __init__(self) -> None:
        self.quiet = False
        self.verbose = False
        self.debug = False
        self.color = True
        self._out = sys.stdout  # while an application starts, sys.stdout is standard error
        self._secrets: set[str] = set()

    @property
    def is_terminal(self) -> bool:
        """Whether data goes to a terminal."""
        return self._out.isatty()

    @property
    def is_watched(self) -> bool:
        """Whether messages go to a terminal."""
        return sys.stderr.isatty()

    def protect(self, *secrets: str | None) -> None:
        """Replace each of ``secrets`` by a mask in every message from now on."""
        self._secrets.update(secret for secret in secrets if secret and len(secret) >= _SHORTEST_SECRET_CHARS)

    def redact(self, text: str) -> str:
        """``text`` with the protected secrets masked."""
        # Longer ones first: a secret may contain another.
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, _MASK)
        return text

    # ── data ─────────────────────────────────────────────────────────────────────────────────────────────────

    def write(self, text: str) -> None:
        """Print data that the command itself made. It may have several lines."""
        self._print(clean(text, keep="\n\t") if self.is_terminal else text.encode("utf-8", "replace").decode("utf-8"))

    def write_line(self, text: str) -> None:
        """Print data that others chose, such as a name, as one line."""
        self._print(clean(text) if self.is_terminal else clean_line(text))

    def write_one(self, values: Mapping[str, Any], style: str) -> None:
        """Print one object: JSON, or a line for each value."""
        if style == "json":
            self.write_json(values)
            return
        width = max(map(len, values), default=0)
        for name, value in values.items():
            self.write_line(f"{clean(name):{width}}  {_format_cell(value)}".rstrip())

    def write_rows(self, rows: Sequence[Mapping[str, Any]], style: str) -> None:
        """Print several objects: JSON, or a table with the names of the values in its first line."""
        if style == "json":
            self.write_json(rows)
            return
        if not rows:
            self.say("none")
            return
        table = [list(rows[0]), *([_format_cell(value) for value in row.values()] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for line in table:
            self.write_line("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())

    def write_json(self, value: Any) -> None:
        """Print data as JSON. On a terminal it is coloured."""
        if not self.is_terminal:
            self._print(json.dumps(value, indent=2, default=str))
            return
        text = clean(json.dumps(value, indent=2, ensure_ascii=False, default=str), keep="\n")
        if not self.color or len(text) > _MOST_COLOURED_CHARS:
            self._print(text)
            return
        from rich.syntax import Syntax

        self.build_rich().print(Syntax(text, "json", background_color="default", word_wrap=True))

    def write_body(self, body: bytes, content_type: str) -> None:
        """Print the body of an answer: unchanged in a pipe; on a terminal escaped, and JSON coloured."""
        if not self.is_terminal:
            with _writing():
                self._out.buffer.write(body)
                self._out.flush()
            return
        if "json" in content_type.lower():
            with suppress(ValueError, RecursionError):
                value = json.loads(body)
                check_depth(value)  # each level indents its lines further
                self.write_json(value)
                return
        self.write(body.decode("utf-8", "replace"))

    def flush(self) -> None:
        """Hand over the data that is still in a buffer."""
        with _writing():
            self._out.flush()

    def build_rich(self) -> rich.console.Console:
        """A console of Rich that prints where data goes."""
        from rich.console import Console as Rich

        return Rich(file=self._out, no_color=None if self.color else True, highlight=False)

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────────────

    def say(self, text: str) -> None:
        """Print a message of one line, unless quiet."""
        if not self.quiet:
            self.show(text)

    def show(self, text: str) -> None:
        """Print a message that the user needs to continue, also if quiet."""
        click.echo(clean(self.redact(text)), err=True)

    def show_apart(self, text: str) -> None:
        """Print something to copy, between empty lines."""
        for line in ("", f"  {text}", ""):
            self.show(line)

    def show_inverted(self, text: str) -> None:
        """Print a line in white on black, whatever the colours of the terminal are."""
        plain = not self.color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        click.echo(text, err=True) if plain else click.secho(text, err=True, fg="bright_white", bg="black")

    def fail(self, text: str) -> None:
        """Print why the command fails."""
        self.show(f"oauthguard: {text}")

    @contextmanager
    def waiting(self, text: str, deadline: float) -> Iterator[Callable[[], None]]:
        """Say ``text`` and, on a terminal, the time left until ``deadline``; call what is given twice a second."""
        if self.quiet or not self.is_watched:
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
        """Print a request, if verbose."""
        if not self.verbose:
            return
        self.show(f"> {method} {url}")
        for name, value in headers.items():
            self.show(f">   {name}: {_mask_header(name.lower(), value)}")
        for name, value in form.items():
            self.show(f">   {name}={value if name in _SHOWN else _MASK}")

    def trace_answer(self, status: int, body: Mapping[str, Any]) -> None:
        """Print an answer, if verbose."""
        if self.verbose:
            shown = {name: value for name, value in body.items() if name in _SHOWN}
            hidden = [clean(name) for name in body if name not in _SHOWN]
            rest = f"; {_MASK} for {', '.join(hidden)}" if hidden else ""
            self.show(f"< {status} {json.dumps(shown)}{rest}"[:_LONGEST_TRACE_CHARS])

    def trace_failure(self, text: str) -> None:
        """Print why there is no answer, if verbose."""
        if self.verbose:
            self.show(f"< {text}")

    def _print(self, text: str) -> None:
        with _writing():
            click.echo(text, file=self._out)


@contextmanager
def _writing() -> Iterator[None]:
    """:raises CommandError: standard output does not take the data."""
    try:
        yield
    except BrokenPipeError:
        raise  # its reader has enough
    except OSError as error:
        raise CommandError(USAGE, f"standard output can't be written: {error.strerror}", "the data are lost") from error


def _mask_header(name: str, value: str) -> str:
    """What is shown of the value of a header: of an authorization, its scheme."""
    if name in _SHOWN_HEADERS:
        return value
    scheme, blank, _rest = value.partition(" ")
    return f"{scheme} {_MASK}" if name == "authorization" and blank else _MASK


def format_time(seconds: float | None) -> str:
    """UTC to the second, empty for None, and the number itself beyond the year 9999."""
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return _write_number(seconds)


def format_moment(seconds: float) -> str:
    """As people write it: the time of this machine, and how far away it is."""
    try:
        local = datetime.fromtimestamp(seconds, UTC).astimezone()
        written = f"{local:%Y-%m-%d %H:%M} {local:%Z}".rstrip()
    except (ValueError, OverflowError, OSError):
        return _write_number(seconds)
    away = seconds - time.time()
    return f"{written}, in {_format_span(away)}" if away >= 0 else f"{written}, {_format_span(-away)} ago"


def _write_number(seconds: float) -> str:
    return str(seconds) if isinstance(seconds, int) else f"{seconds:.0f}"  # an integer may be too large for a float


def _format_span(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return "less than a minute"


def _format_cell(value: Any) -> str:
    text = " ".join(value) if isinstance(value, list | tuple) else value
    return "" if text is None else clean(str(text))
