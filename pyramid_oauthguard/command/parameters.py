"""The options and arguments that verbs share. Their values are kept on the Run, so that a verb has few arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from ..client.errors import CommandError
from ..exit_status import USAGE
from ..settings import as_duration
from .completing import complete_auth_methods, complete_files, complete_issuers, complete_profiles
from .run import Run

__all__ = [
    "DURATION",
    "PRINTABLE",
    "client_options",
    "debug_option",
    "ini_argument",
    "pass_run",
    "profile_option",
    "speech_options",
    "token_input",
]

F = TypeVar("F", bound=Callable[..., Any])

_LONGEST_SECONDS: Final = 3600.0
_SECRET_FLAGS: Final = ("--client-secret", "--token", "--password", "--access-token", "--refresh-token")


class _Printable(click.types.StringParamType):
    """Text to look up or to store. Databases refuse NUL and surrogates, and control characters steer a terminal."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value).isprintable():
            self.fail("must be printable text", param, ctx)
        return value


class _Duration(click.types.StringParamType):
    """Seconds as a number, or ``90s``, ``5m``, ``1h``; from a second to an hour."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            seconds = as_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not 1 <= seconds <= _LONGEST_SECONDS:
            self.fail("must be from 1s to 1h", param, ctx)
        return seconds


DURATION: Final = _Duration()
PRINTABLE: Final = _Printable()


def pass_run(function: F) -> F:
    """Hand the Run to a verb as its first argument."""
    return click.make_pass_decorator(Run, ensure=True)(function)  # type: ignore[return-value]  # without that argument


def ini_argument(function: F) -> F:
    """The ini file of an application."""
    return click.argument("ini", metavar="INI[#SECTION]", shell_complete=complete_files)(function)


def debug_option(function: F) -> F:
    """A traceback; also understood before the verb."""
    return _add_switch(function, "debug", "--debug", text="Print a traceback with a failure.")


def speech_options(function: F) -> F:
    """How much is printed; also understood before the verb."""
    function = debug_option(function)
    function = _add_switch(function, "verbose", "-v", "--verbose", text="Show requests and answers, secrets masked.")
    function = _add_switch(function, "quiet", "-q", "--quiet", text="Print data and failures only.")
    return click.option(
        "--no-color",
        "color",
        is_flag=True,
        expose_value=False,
        callback=_set_color,
        help="Print no colours, as with NO_COLOR.",
    )(function)


def _add_switch(function: F, name: str, *flags: str, text: str) -> F:
    return click.option(*flags, name, is_flag=True, expose_value=False, callback=_set_switch, help=text)(function)


def profile_option(function: F) -> F:
    """Which login is used; also understood before the verb."""
    return click.option(
        "--profile",
        metavar="NAME",
        shell_complete=complete_profiles,
        expose_value=False,
        callback=_set_flag,
        help="The login to use. [OAUTHGUARD_PROFILE]",
    )(function)


def client_options(function: F) -> F:
    """The client, its issuer and its profile. Flags for secrets are refused with a reason."""
    function = speech_options(profile_option(function))
    for flag, metavar, text in reversed(_CLIENT_FLAGS):
        function = click.option(
            flag,
            metavar=metavar,
            expose_value=False,
            callback=_set_flag,
            shell_complete=_COMPLETIONS.get(flag),
            help=text,
        )(function)
    for flag in _SECRET_FLAGS:
        function = click.option(flag, hidden=True, expose_value=False, callback=_refuse_secret)(function)
    return function


_COMPLETIONS: Final[Mapping[str, Any]] = {
    "--issuer": complete_issuers,
    "--auth-method": complete_auth_methods,
    "--client-secret-file": complete_files,
    "--ca-file": complete_files,
}
_CLIENT_FLAGS: Final = (
    ("--issuer", "URL", "The authorization server, exactly as its metadata names it. [OAUTHGUARD_ISSUER]"),
    ("--client-id", "ID", "[OAUTHGUARD_CLIENT_ID]"),
    (
        "--client-secret-file",
        "FILE",
        "File with the client's secret, - for standard input. [OAUTHGUARD_CLIENT_SECRET, OAUTHGUARD_CLIENT_SECRET_FILE]",
    ),
    ("--scope", "SCOPES", "Separated by spaces. [OAUTHGUARD_SCOPE]"),
    ("--audience", "AUDIENCE", "The API that the token is for, as a parameter of Auth0. [OAUTHGUARD_AUDIENCE]"),
    ("--resource", "URL", "The API that the token is for, as a parameter of RFC 8707. [OAUTHGUARD_RESOURCE]"),
    ("--auth-method", "METHOD", "client_secret_basic, client_secret_post or none. [OAUTHGUARD_AUTH_METHOD]"),
    ("--ca-file", "FILE", "PEM file of accepted certificate authorities. [OAUTHGUARD_CA_FILE]"),
)


def token_input(function: F) -> F:
    """``[-]`` and ``--token-file``: a token that is not the stored one."""
    function = click.option(
        "--token-file",
        "path",
        metavar="FILE",
        shell_complete=complete_files,
        help="File with the token. Without it: -, OAUTHGUARD_TOKEN, then the login's.",
    )(function)
    return click.argument("source", metavar="[-]", required=False, callback=_refuse_token)(function)


def _set_flag(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None and param.name:
        ctx.ensure_object(Run).flags[param.name] = value


def _set_switch(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and param.name:
        setattr(ctx.ensure_object(Run).console, param.name, True)


def _set_color(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Run).console.color = False


def _refuse_secret(_ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise CommandError(
            USAGE,
            f"{param.opts[0]} does not exist: other users can see a command line in ps, and the shell keeps it in its history",
            "use the environment, a file or standard input, and replace the secret if you typed it",
        )


def _refuse_token(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value not in (None, "-"):
        raise CommandError(
            USAGE,
            "other users can see a token on the command line in ps, and the shell keeps it in its history",
            "send it to standard input and write - in its place",
        )
    return value
