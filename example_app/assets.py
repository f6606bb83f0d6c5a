"""The files of the pages, each by its name: nothing comes from another host, and no folder is served."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import FileResponse

from .problems import add_resource

__all__: list[str] = []

_AGE_SECONDS: Final = 3600
_TYPES: Final = {"css": "text/css", "js": "text/javascript", "png": "image/png"}
#: The style of the authorization server's pages is ours, too.
_FILES: Final = {
    "pages.css": ("pyramid_oauthguard.server", "static/pages.css"),
    "example.css": ("example_app", "static/example.css"),
    "tour.js": ("example_app", "static/tour.js"),
    "docs.css": ("example_app", "static/docs.css"),
    "docs.js": ("example_app", "static/docs.js"),
    "signed-in.js": ("example_app", "static/signed-in.js"),
    "swagger-ui.css": ("swagger_ui", "static/swagger-ui.css"),
    "swagger-ui-bundle.js": ("swagger_ui", "static/swagger-ui-bundle.js"),
}


def includeme(config: Configurator) -> None:
    """Serve them under ``/static/``."""
    add_resource(config, "asset", "/static/{name}", "GET", "HEAD")
    config.add_view(send_file, route_name="asset", request_method="GET")


def send_file(context: Any, request: Request) -> FileResponse:
    """One file."""
    name = request.matchdict["name"]
    if name not in _FILES:
        raise HTTPNotFound
    package, path = _FILES[name]
    response = FileResponse(
        str(files(package).joinpath(path)),
        request=request,
        cache_max_age=_AGE_SECONDS,
        content_type=_TYPES[name.rpartition(".")[2]],
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
