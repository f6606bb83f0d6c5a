"""The options that verbs share, each kept on the Run so that a verb's own function stays short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from ..client.errors import CommandError
from ..exit_status import USAGE

__all__ = ["client_options", "pass_run", "profile_option", "speech_options", "token_input"]

F = TypeVar("F", bound=Callable[..., Any])

_SECRET_FLAGS: Final = ("--client-secret", "--token", "--password", "--access-token", "--refresh-token")


def pass_run(function: F) -> F:
    """Hand the Run to a verb as its first argument."""
    return click.pass_obj(function)  # type: ignore[return-value]  # click types the function without that argument


def speech_options(function: F) -> F:
    """How much is said; also understood before the verb."""
    for name, flags, text in (
        ("debug", ("--debug",), "A traceback with a failure."),
        ("verbose", ("-v", "--verbose"), "Show requests and answers, secrets masked."),
        ("quiet", ("-q", "--quiet"), "No words, only data and failures."),
    ):
        function = click.option(*flags, name, is_flag=True, expose_value=False, callback=_set_speech, help=text)(
            function
        )
    return click.option(
        "--no-color",
        "color",
        is_flag=True,
        expose_value=False,
        callback=_set_color,
        help="No colours, as NO_COLOR does.",
    )(function)


def profile_option(function: F) -> F:
    """Which login; also understood before the verb."""
    return click.option(
        "--profile",
        metavar="NAME",
        expose_value=False,
        callback=_set_flag,
        help="The login that is meant. [OAUTHGUARD_PROFILE]",
    )(function)


def client_options(function: F) -> F:
    """The client, its issuer, its profile; and the flags that must not exist."""
    function = speech_options(profile_option(function))
    for flag, metavar, text in reversed(_CLIENT_FLAGS):
        function = click.option(flag, metavar=metavar, expose_value=False, callback=_set_flag, help=text)(function)
    for flag in _SECRET_FLAGS:
        function = click.option(flag, hidden=True, expose_value=False, callback=_refuse_secret)(function)
    return function


_CLIENT_FLAGS: Final = (
    ("--issuer", "URL", "The authorization server, spelt as it spells itself. [OAUTHGUARD_ISSUER]"),
    ("--client-id", "ID", "[OAUTHGUARD_CLIENT_ID]"),
    (
        "--client-secret-file",
        "FILE",
        "File with the client's secret, - for standard input. [OAUTHGUARD_CLIENT_SECRET, OAUTHGUARD_CLIENT_SECRET_FILE]",
    ),
    ("--scope", "SCOPES", "Separated by spaces. [OAUTHGUARD_SCOPE]"),
    ("--audience", "AUDIENCE", "The API that the token is for, as Auth0 asks it. [OAUTHGUARD_AUDIENCE]"),
    ("--resource", "URL", "The API that the token is for, as RFC 8707 asks it. [OAUTHGUARD_RESOURCE]"),
    ("--auth-method", "METHOD", "client_secret_basic, client_secret_post or none. [OAUTHGUARD_AUTH_METHOD]"),
    ("--ca-file", "FILE", "PEM file of accepted certificate authorities. [OAUTHGUARD_CA_FILE]"),
)


def token_input(function: F) -> F:
    """``[-]`` and ``--token-file``: a token that is not the stored one."""
    function = click.option(
        "--token-file",
        "path",
        metavar="FILE",
        help="File with the token. Without it: -, OAUTHGUARD_TOKEN, then the login's.",
    )(function)
    return click.argument("source", metavar="[-]", required=False, callback=_check_dash)(function)


def _set_flag(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None and param.name:
        ctx.obj.flags[param.name] = value


def _set_speech(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and param.name:
        setattr(ctx.obj.console, param.name, True)


def _set_color(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.obj.console.color = False


def _refuse_secret(_ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise CommandError(
            USAGE,
            f"{param.opts[0]} does not exist: the command line is seen in ps and kept in the shell's history",
            "use the environment, a file, or standard input, and change what was typed there",
        )


def _check_dash(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value not in (None, "-"):
        raise CommandError(
            USAGE,
            "a token on the command line is seen in ps and kept in the shell's history",
            "pipe it in and write - in its place",
        )
    return value
