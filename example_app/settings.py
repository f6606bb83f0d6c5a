"""The settings of the example itself: ``example.*`` and ``cors.*``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pyramid_oauthguard.settings import Setting, as_bool, as_list, as_str, as_url, parse
from pyramid_oauthguard.urls import as_origin

__all__ = ["CORS_TABLE", "TABLE", "CorsSettings", "ExampleSettings", "read_cors", "read_example"]


@dataclass(frozen=True, slots=True)
class ExampleSettings:
    """The keys below ``example.``"""

    demo: bool
    session_secret_file: str | None
    mcp: str | None


@dataclass(frozen=True, slots=True)
class CorsSettings:
    """The keys below ``cors.``"""

    origins: tuple[str, ...]


def as_origins(value: Any) -> tuple[str, ...]:
    """Whitespace-separated origins (RFC 6454 section 6.2) as browsers write them, or ``*`` alone."""
    origins = as_list(value)
    for origin in origins:
        if origin != "*":
            _check_origin(origin)
    if "*" in origins and len(origins) > 1:
        raise ValueError("* stands for every origin: name it alone")
    return origins


def _check_origin(origin: str) -> None:
    try:
        sent = str(as_origin(origin))
    except ValueError as error:  # "null", too: every sandboxed page and local file sends it
        raise ValueError(f"must be origins such as https://app.example or http://localhost:3000: {error}") from None
    if origin != sent:
        raise ValueError(f"must be origins as browsers send them: {sent} instead of {origin!r}")


TABLE: Final = (
    Setting("demo", as_bool, False, "Make the demo clients, the demo user and two customers on first start."),
    Setting(
        "session_secret_file",
        as_str,
        None,
        "File with the key that signs the session cookie; made on first start. Needed where people sign in.",
    ),
    Setting("mcp", as_url, None, "The URL by which assistants know the MCP endpoint /mcp, which is served with it."),
)
CORS_TABLE: Final = (Setting("origins", as_origins, (), "Origins whose pages may call the API from a browser."),)


def read_example(settings: Any) -> ExampleSettings:
    """The settings below ``example.``; SettingError names a wrong one."""
    return parse(TABLE, settings, "example", into=ExampleSettings)


def read_cors(settings: Any) -> CorsSettings:
    """The settings below ``cors.``; SettingError names a wrong one."""
    return parse(CORS_TABLE, settings, "cors", into=CorsSettings)
