"""The look of the pages for users: the name, style sheet and logo of the application, read once at start-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pyramid.path import AssetResolver
from pyramid.registry import Registry
from pyramid.request import Request
from zope.interface import Interface

from ...errors import SettingError
from ..http.mount_point import build_path, find_mount
from ..settings import PREFIX, ServerSettings

__all__ = [
    "LOGO_ROUTE",
    "SITE_LOGO_ROUTE",
    "STYLE_ROUTE",
    "THEME_ROUTE",
    "Asset",
    "ILook",
    "Look",
    "describe_look",
    "find_look",
    "load_look",
    "load_style",
]

#: The names of the routes of the logos of clients, of our style sheet, of the application's, and of its logo.
LOGO_ROUTE: Final = "oauthguard.logo"
STYLE_ROUTE: Final = "oauthguard.style"
THEME_ROUTE: Final = "oauthguard.theme"
SITE_LOGO_ROUTE: Final = "oauthguard.site_logo"
_STYLE: Final = "pyramid_oauthguard.server:static/pages.css"
_MAX_BYTES: Final = 1024 * 1024
_STYLES: Final[Mapping[str, str]] = MappingProxyType({".css": "text/css"})
_IMAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".svg": "image/svg+xml",
        ".png": "image/png",
        ".webp": "image/webp",
        ".jpg": "image/jpeg",
        ".jpeg": "image/jpeg",
        ".gif": "image/gif",
    }
)


class ILook(Interface):
    """The registry key of :class:`Look`."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that browsers load.

    :ivar version: changes with the content; it is in the address, so that browsers don't use an older file.
    """

    body: bytes
    content_type: str
    version: str


@dataclass(frozen=True, slots=True)
class Look:
    """What the application adds to the pages."""

    name: str | None
    home: str
    theme: Asset | None
    logo: Asset | None


def load_look(settings: ServerSettings) -> Look:
    """Read the files that the settings name.

    :raises SettingError: a file can't be read, is too big or has another suffix.
    """
    return Look(
        name=settings.pages.name,
        home=settings.pages.home,
        theme=_load(settings.pages.stylesheet, _STYLES, "stylesheet"),
        logo=_load(settings.pages.logo, _IMAGES, "logo"),
    )


def load_style() -> Asset:
    """Our style sheet, or the one with which the application overrides it."""
    return _build(Path(AssetResolver().resolve(_STYLE).abspath()), "text/css")


def find_look(registry: Registry) -> Look:
    """The look of the application with this registry."""
    look: Look = registry.getUtility(ILook)
    return look


def describe_look(request: Request) -> dict[str, str | None]:
    """The template's values that all pages have."""
    look = find_look(request.registry)
    return {
        "home": find_mount(request) + look.home if look.home.startswith("/") else look.home,
        "site_name": look.name,
        "style": _locate(request, STYLE_ROUTE, load_style()),
        "theme": _locate(request, THEME_ROUTE, look.theme),
        "site_logo": _locate(request, SITE_LOGO_ROUTE, look.logo),
    }


def _locate(request: Request, route_name: str, asset: Asset | None) -> str | None:
    return None if asset is None else build_path(request, route_name, {"v": asset.version})


def _load(spec: str | None, types: Mapping[str, str], name: str) -> Asset | None:
    if spec is None:
        return None
    key = f"{PREFIX}.pages.{name}"
    try:
        path = _resolve(spec)
        if path.stat().st_size > _MAX_BYTES:
            raise SettingError(key, f"{spec!r} has more than {_MAX_BYTES} bytes")
        content_type = types[path.suffix.lower()]
        return _build(path, content_type)
    except KeyError:
        raise SettingError(key, f"{spec!r} must end in {' or '.join(types)}") from None
    except (ImportError, OSError, ValueError):
        hint = "name a file, such as /etc/myapp/look.css, or an asset, such as myapp:static/look.css"
        raise SettingError(key, f"{spec!r} can't be read", hint) from None


def _resolve(spec: str) -> Path:
    package, colon, _path = spec.partition(":")
    if colon and package.replace(".", "").isidentifier():
        return Path(AssetResolver().resolve(spec).abspath())
    return Path(spec).absolute()


def _build(path: Path, content_type: str) -> Asset:
    body = path.read_bytes()
    return Asset(body, content_type, sha256(body).hexdigest()[:12])
